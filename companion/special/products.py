"""Products of matrices by a BLAS, also where NumPy has none: in a browser SciPy's takes a third of NumPy's time."""

from __future__ import annotations

import sys

import numpy as np
from scipy.linalg import blas

#: NumPy's own loops are all that it has there.
IN_BROWSER = sys.platform == "emscripten"
_GEMM = {"d": blas.dgemm, "f": blas.sgemm}


def dot(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """``np.dot(a, b, out=out)`` of two matrices.

    >>> a = np.arange(6.0).reshape(2, 3)
    >>> dot(a, a.T).tolist()
    [[5.0, 14.0], [14.0, 50.0]]
    """
    gemm = _GEMM.get(a.dtype.char)
    if not IN_BROWSER or gemm is None or a.dtype != b.dtype or not (a.size and b.size):
        return np.dot(a, b, out=out)
    if out is None:
        out = np.empty((len(a), b.shape[1]), a.dtype)
    # Row by row is Fortran's column by column of the transpose: nothing is copied that lies in order.
    into = out.T if out.flags.c_contiguous else np.empty(out.shape[::-1], out.dtype, order="F")
    gemm(1.0, b.T, a.T, c=into, overwrite_c=True)
    if into.base is not out:
        out[...] = into.T
    return out
