r"""Likelihood at any size: statistics of data that do not fit into memory, and of data on a cluster.

The module of the chapter *Likelihood at any size*. All that a fit needs of the data is an average,

.. math:: \sum_i w_i\,u(x_i) = \sum_{\text{chunks}}\;\sum_{i\,\in\,\text{chunk}} w_i\,u(x_i),

so it is found by a map over chunks and a sum. The chunks come from an array, a memory map, files, anything that yields
arrays, or a Dask collection; the sum is taken as a tree, whose shape depends on the number of chunks alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from companion import checks, stored_files
from companion.em import EMFit, _check_mixture
from companion.families import Binomial, Mixture
from companion.families.statistics import Statistics
from companion.glm.responses import RESPONSES
from companion.glm.result import Regression
from companion.scaling import gather, mixtures, on_dask, regressions, runs
from companion.scaling.packing import check, pack, unpack
from companion.scaling.pieces import READ, VIEWED
from companion.scaling.reduction import Progress
from companion.scaling.sources import Chunks

__all__ = ["Progress", "chunks", "em", "fit", "lazy_statistics", "load", "regression", "save", "statistics"]

_KIND = "companion.scale statistics, version 2"


# --- chunks -----------------------------------------------------------------------------------------------------------
def chunks(source: Any, *, columns: Any = None, rows: int | None = 2**16) -> Chunks:
    """An iterable of the arrays that a pass over `source` meets, one chunk after the other.

    Parameters
    ----------
    source : array_like, iterable, function or path
        An array or data frame; a list or another iterable of arrays, or of functions without arguments that return one;
        a function without arguments that returns such an iterable; the path of a .npy (memory-mapped), .csv, .csv.gz or
        .parquet file, of a folder of such files, or a list of paths. A .csv file has names if its first line has one
        that is no number, and is in UTF-8.
    columns : str, int or list, optional
        Which columns of a file, a data frame or an array (n, d). One name gives chunks (n,), a list (n, d).
    rows : int
        Rows of a chunk of arrays and files. Arrays that an iterable yields are taken as they come.

    Returns
    -------
    Chunks
        Iterate over it as often as you like; over an iterator (a generator) once.

    Raises
    ------
    ValueError, TypeError
        If the source is of no such kind, or a chunk cannot be read: the error names it. (Of a Dask collection whose own
        tasks fail it is the error of the task.)

    Examples
    --------
    >>> [len(chunk) for chunk in chunks(np.arange(10.0), rows=4)]
    [4, 4, 2]
    """
    return Chunks("scale.chunks", source, (), columns, rows)


# --- statistics and fit -----------------------------------------------------------------------------------------------
def statistics(
    family: Any,
    source: Any,
    *,
    weights: Any = None,
    columns: Any = None,
    rows: int | None = None,
    threads: int = 1,
    progress: bool | Callable[[Progress], None] | None = None,
    checkpoint: Any = None,
    **fixed: Any,
) -> Any:
    r"""Sufficient statistics of all data in `source`, for one family or for several, in one pass.

    Parameters
    ----------
    family : type, or a list of types
        A class of `companion.families`. With several, all statistics are taken in the same pass.
    source : array_like, iterable, function, path or Dask collection
        As in `chunks`; or a Dask array, series or data frame, whose partitions are then reduced where they are.
    weights : optional
        Non-negative weights, cut as the data are: an array for an array, an iterable for an iterable, the name of a
        column for a file or a data frame. A row or a chunk of weight zero is left out.
    columns, rows
        As in `chunks`. By default a chunk has so many rows that its numbers fill 2 MB, or 32 MB of an array or a memory
        map, of which nothing is copied.
    threads : int
        Chunks that are summed at a time; a browser has one thread. The result does not depend on it.
    progress : bool or function, optional
        True prints a line to stderr every five seconds; a function is called with a `Progress` after every chunk.
    checkpoint : path, optional
        Where the subtotals are kept, at most once a second, when the run is interrupted and at its end. Called again
        with the same source, the run goes on from there, to the same bits. The file stays; delete it to begin anew.
        What is compared to know the source: `rows`, the sizes of its parts, the first 65,536 rows of its first chunk,
        and its last ones where these cost no call of a function and no pass (of a CSV or Parquet file the last 64 KB).
        A change between them goes unseen.
    **fixed
        The parameters that the family holds fixed, as in its `statistics`; with several families a mapping for each
        that has some: ``Binomial={"n": 12}``.

    Returns
    -------
    Statistics, or a tuple of them
        One for each family.

    Raises
    ------
    ValueError, TypeError
        If a chunk is refused or cannot be read: the error names the chunk and the row, in it and in the whole. If the
        columns of data frames or files do not have the same names in the same order: name them in `columns`. If a
        checkpoint is of another call, or of a source that is known to be another.
    ImportError
        If the source needs a library that is not installed.

    References
    ----------
    Chan, Golub and LeVeque (1983).

    Examples
    --------
    >>> from companion.families import Gamma, Normal
    >>> halves = [np.array([1.0, 2.0]), np.array([3.0, 6.0])]
    >>> statistics(Normal, halves)
    Statistics(family=Normal, weight=4.0, mean=[3.0, 12.5])
    >>> [s.weight for s in statistics([Normal, Gamma], halves)]
    [4.0, 4.0]
    """
    where = "scale.statistics"
    single, task = gather.checked_families(where, family, fixed)
    with runs.passes(
        where, source, (("weights", weights),), columns, rows, threads, progress, checkpoint, VIEWED, task.identity()
    ) as run:
        found = gather.finite(where, run.run(task))
    return found[0] if single else found


def fit(family: Any, source: Any, **options: Any) -> Any:
    """The maximum-likelihood member of `family` for all data in `source`; of several families a tuple.

    ``family.fit(statistics(family, source, ...))``: parameters, options and errors are those of `statistics`, and those
    of the family's `fit` where no maximum exists.

    Examples
    --------
    >>> from companion.families import Normal
    >>> fit(Normal, (np.full(3, float(i)) for i in range(3)))
    Normal(mean=1.0, sd=0.816496580927726)
    """
    found = statistics(family, source, **options)
    if isinstance(found, tuple):
        return tuple(each.family.fit(each) for each in found)
    return found.family.fit(found)


def lazy_statistics(family: Any, source: Any, *, weights: Any = None, columns: Any = None, **fixed: Any) -> Any:
    """The same as `statistics`, as a Dask ``Delayed`` that nobody has computed yet, to be combined with others.

    Parameters
    ----------
    family, weights, columns, **fixed
        As in `statistics`.
    source
        A Dask array, series or data frame; or arrays and paths, which are then read in the workers.

    Raises
    ------
    ImportError
        If Dask is not installed: the message says how to install it.

    Examples
    --------
    >>> from companion.families import Normal
    >>> lazy_statistics(Normal, [np.array([1.0, 2.0]), np.array([3.0, 6.0])]).compute(scheduler="sync")
    Statistics(family=Normal, weight=4.0, mean=[3.0, 12.5])
    """
    where = "scale.lazy_statistics"
    single, task = gather.checked_families(where, family, fixed)
    on_dask.delayed(where)
    others = (("weights", weights),)
    if on_dask.is_collection(source):
        kept = on_dask.Partitions(where, source, others, columns).kept(task)
    else:
        kept = on_dask.pieces(where, task, Chunks(where, source, others, columns, None))
    return on_dask.tree(task, kept, gather.Finish(where, single))


# --- regression -------------------------------------------------------------------------------------------------------
def regression(
    family: type,
    X: Any,
    y: Any = None,
    *,
    weights: Any = None,
    offset: Any = None,
    n: Any = None,
    intercept: bool = True,
    columns: Any = None,
    rows: int | None = None,
    threads: int = 1,
    progress: bool | Callable[[Progress], None] | None = None,
    checkpoint: Any = None,
) -> Regression:
    r"""Maximum-likelihood regression of y on the columns of X, as `companion.regression.fit`, of data in chunks.

    The first pass finds an orthonormal basis of the columns, each further one takes a Newton step from the sums of the
    partitions: the score :math:`Q^\top w\,(y-\mu)` and the information :math:`Q^\top w V Q`. Three passes for `Normal`,
    six to ten for the other families.

    Parameters
    ----------
    family, intercept
        As in `companion.regression.fit`.
    X : array_like, iterable, function, path or Dask collection
        As the source of `statistics`. Without `y`, an iterable of pairs (X, y) or of triples (X, y, weights), or of
        functions that return one, or a function that returns such an iterable.
    y, weights, offset, n
        As in `companion.regression.fit`, cut as X is: arrays for an array, iterables for an iterable, names of columns
        for a file or a data frame. An offset and an n may also be one number for all.
    columns, rows, threads, progress, checkpoint
        As in `statistics`.

    Returns
    -------
    Regression
        Coefficients, standard errors, deviance, predictions.

    Raises
    ------
    SeparationError
        A ValueError: if the columns separate the data, completely or in part, and a Newton step shows it. Where none
        does (a column that is nonzero in a single row, say), the ValueError is that Newton's method did not converge.
    ValueError, TypeError
        As `companion.regression.fit` and `statistics`.

    References
    ----------
    Demmel, Grigori, Hoemmen and Langou (2012) for the triangles of chunks.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> X, y = np.arange(8.0), np.array([1, 3, 3, 8, 6, 9, 14, 17])
    >>> regression(Poisson, X, y, rows=3).coefficients
    intercept  0.680165
    x0         0.315208
    """
    where = "scale.regression"
    if not isinstance(family, type) or family not in RESPONSES:
        known = ", ".join(known.__name__ for known in RESPONSES)
        checks.fail(where, "family", family, f"one of {known}", "Pass a class of companion.families.", TypeError)
    if n is not None and family is not Binomial:
        checks.fail(where, "n", n, "None", "Only Binomial has a number of trials.", TypeError)
    if n is None and family is Binomial:
        checks.fail(where, "n", None, "the number of trials", "Pass n=6, or as many as there are rows.")
    intercept = checks.flag(where, "intercept", intercept)
    shared = {
        name: v
        for name, v in (("offset", offset), ("n", n))
        if isinstance(v, (int, float, np.number, np.ndarray)) and not np.ndim(v)
    }
    model = regressions.Model(where, family, intercept, shared.get("offset"), shared.get("n"))
    offset, n = (None if name in shared else v for name, v in (("offset", offset), ("n", n)))
    others = (("y", y), ("weights", weights), ("offset", offset), ("n", n))
    identity = {"family": family.__name__, "intercept": intercept, "offset and n": repr(shared)}
    with runs.passes(
        where, X, others, columns, rows, threads, progress, checkpoint, READ, identity, pairs=y is None
    ) as run:
        return regressions.fitted(run.run, model)


# --- EM ---------------------------------------------------------------------------------------------------------------
def em(
    mixture: Mixture,
    source: Any,
    *,
    weights: Any = None,
    steps: int = 10_000,
    tolerance: float = 1e-12,
    columns: Any = None,
    rows: int | None = None,
    threads: int = 1,
    progress: bool | Callable[[Progress], None] | None = None,
    checkpoint: Any = None,
) -> EMFit:
    r"""EM steps from `mixture`, one pass over the data each, until one gains less than `tolerance` nats an observation.

    A pass finds the log-likelihood of the mixture and, for each component, the statistics of the data weighted by its
    responsibilities; the fit to these is the mixture after the step. The log-likelihood does not fall.

    Parameters
    ----------
    mixture : Mixture
        Where the steps start.
    source, weights, columns, rows, threads, progress, checkpoint
        As in `statistics`. The source is read once for every step: an iterator (a generator) will not do.
    steps : int
        Most steps.
    tolerance : float
        As in `companion.em.fit_mixture`.

    Returns
    -------
    EMFit
        The mixture, the log-likelihood before every step and at the end, and whether the last step gained less than the
        tolerance.

    Raises
    ------
    ValueError, TypeError
        As `statistics`, and if a component collapses onto a point or loses all observations.

    References
    ----------
    Dempster, Laird and Rubin (1977).

    Examples
    --------
    >>> from companion.families import Normal
    >>> from companion.lesson.datasets import old_faithful
    >>> fit = em(Mixture([0.5, 0.5], Normal([50.0, 80.0], 10.0)), old_faithful().waiting, rows=100)
    >>> fit.mixture.components.mean().round(2).tolist(), fit.converged
    ([54.61, 80.09], True)
    """
    where = "scale.em"
    _check_mixture(where, mixture)
    fix = "Pass e.g. tolerance=1e-12."
    tolerance = float(checks.positive(where, "tolerance", checks.scalar(where, "tolerance", tolerance, fix), fix))
    steps = checks.positive_integer(where, "steps", steps, "Pass e.g. steps=1000.")
    start = [mixture.weights.tolist(), type(mixture.components).__name__]
    start += [mixture.components.parameter(name).tolist() for name in mixture.components.parameter_names]
    identity = {"start": start}
    with runs.passes(
        where, source, (("weights", weights),), columns, rows, threads, progress, checkpoint, READ, identity
    ) as run:
        run.require_repeatable()
        parts = run.run(mixtures.Expect(where, mixture))
        trace = [parts[0]]
        for _ in range(steps):
            mixture = mixtures.maximised(where, mixture, parts)
            parts = run.run(mixtures.Expect(where, mixture))
            trace.append(parts[0])
            if trace[-1] - trace[-2] < tolerance * parts[1]:
                return EMFit(mixture, np.array(trace), True)
        return EMFit(mixture, np.array(trace), False)


# --- files ------------------------------------------------------------------------------------------------------------
def save(path: stored_files.File, statistics: Statistics) -> None:
    """Write statistics to a file that `load` reads, to the same bits: an ``.npz`` archive with a seal.

    Raises `TypeError` of anything but `Statistics`, `OSError` if the file cannot be written.

    >>> import io
    >>> from companion.families import Normal
    >>> file = io.BytesIO()
    >>> save(file, Normal.statistics([1.0, 2.0]))
    >>> place = file.seek(0)
    >>> load(file) == Normal.statistics([1.0, 2.0])
    True
    """
    where = "scale.save"
    if not isinstance(statistics, Statistics):
        fix = "Pass what scale.statistics or a family's statistics returns; several one by one."
        checks.fail(where, "statistics", statistics, "Statistics", fix, TypeError)
    check(statistics)
    description, numbers = pack(statistics)
    stored_files.write(where, path, {"kind": _KIND, "content": description}, {"numbers": numbers})


def load(path: stored_files.File) -> Statistics:
    """The statistics that `save` has written.

    Raises
    ------
    ValueError
        If the file was cut off or changed, or holds what no sample has: one error that names the file and the fault.
    """
    where = "scale.load"
    header, arrays = stored_files.read(where, path)
    stored_files.expect(where, path, "kind", header.get("kind"), _KIND)
    try:
        found = unpack(header.get("content"), arrays["numbers"])
        if not isinstance(found, Statistics):
            raise ValueError("it holds no statistics")
    except Exception as reason:
        stored_files.broken(where, path, f"its content is wrong: {reason}")
    return found
