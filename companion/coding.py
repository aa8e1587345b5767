r"""Codes in whole numbers: words of which none begins another, and an arithmetic coder.

A code spends bits as a distribution spends probability: :math:`-\log_2 q(x)` of the one for the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from companion import checks

#: Longer messages take numbers of too many digits.
LONGEST = 20_000


def prefix_code(lengths: ArrayLike) -> list[str]:
    """Code words of the given lengths of which none begins another, or an error if Kraft's inequality forbids them.

    Parameters
    ----------
    lengths : array_like of int, shape (K,)
        In bits, from 1 to 1,000.

    Raises
    ------
    ValueError, TypeError
        If Σ 2^(−length) > 1: no such code exists.

    References
    ----------
    Kraft (1949).

    Examples
    --------
    >>> prefix_code([2, 1, 3, 3])
    ['10', '0', '110', '111']
    """
    where = "prefix_code"
    fix = "Pass the lengths of the words in bits, e.g. [1, 2, 2]."
    lengths = checks.whole(where, "lengths", lengths, 1, fix)
    if lengths.ndim != 1 or not len(lengths):
        checks.fail(where, "shape of lengths", lengths.shape, "(K,), one for each word", fix)
    checks.require(where, "lengths", lengths, lengths <= 1000, "at most 1,000 bits", fix)
    total = sum(Fraction(1, 2 ** int(length)) for length in lengths)
    if total > 1:
        too_short = "Kraft's inequality: make words longer."
        checks.fail(where, "sum of 2^(-length)", float(total), "at most 1", too_short)
    words, place = [""] * len(lengths), Fraction(0)
    for index in np.argsort(lengths, kind="stable"):  # shortest first: each begins where the one before ends
        size = int(lengths[index])
        words[index] = f"{int(place * 2**size):0{size}b}"
        place += Fraction(1, 2**size)
    return words


def _cumulated(where: str, frequencies: ArrayLike) -> list[int]:
    """Whole numbers 0, f_1, f_1 + f_2, …, total."""
    fix = "Pass whole frequencies of the symbols 0, 1, …, e.g. [5, 3, 1]."
    given = checks.whole(where, "frequencies", frequencies, 0, fix)
    if given.ndim != 1 or not len(given):
        checks.fail(where, "shape of frequencies", given.shape, "(K,), one for each symbol", fix)
    checks.require(where, "frequencies", given, given <= 2**50, "at most 2^50", fix)
    ends = [0]
    for frequency in given:
        ends.append(ends[-1] + int(frequency))
    if ends[-1] == 0:
        checks.fail(where, "sum of frequencies", 0, "a positive total", fix)
    return ends


def _symbols(where: str, message: ArrayLike, ends: Sequence[int]) -> list[int]:
    """The message as indices of positive frequencies."""
    fix = "Pass the indices of the symbols, e.g. [0, 2, 1]."
    message, _ = checks.sample(where, message, None, 0, fix)
    message = checks.whole(where, "x", message, 0, fix)
    if len(message) > LONGEST:
        checks.fail(where, "length of x", len(message), f"at most {LONGEST:,}", "Send longer messages in parts.")
    inside = message < len(ends) - 1
    checks.require(where, "x", message, inside, f"an index below {len(ends) - 1}, the number of frequencies", fix)
    symbols = [int(symbol) for symbol in message]
    possible = np.array([ends[s] < ends[s + 1] for s in symbols])
    checks.require(where, "x", message, possible, "a symbol of positive frequency", "It would cost infinitely much.")
    return symbols


def code_length(frequencies: ArrayLike, x: ArrayLike) -> float:
    r"""Ideal length of a message in bits, :math:`-\sum_i \log_2 q(x_i)`, where q are the relative frequencies.

    Parameters
    ----------
    frequencies : array_like of int, shape (K,)
        How often each symbol 0, …, K − 1 is expected, in any whole units.
    x : array_like of int, shape (n,)
        The message: indices of symbols of positive frequency.

    Raises
    ------
    ValueError, TypeError
        If the frequencies are no whole numbers with a positive sum, or a symbol has none.

    Examples
    --------
    >>> code_length([2, 1, 1], [0, 2, 0])
    4.0
    """
    ends = _cumulated("code_length", frequencies)
    symbols = _symbols("code_length", x, ends)
    return math.fsum(math.log2(ends[-1] / (ends[s + 1] - ends[s])) for s in symbols)


def encode(frequencies: ArrayLike, x: ArrayLike) -> str:
    r"""A message as zeros and ones, by arithmetic coding in whole numbers: less than two bits more than `code_length`.

    Each symbol cuts the interval [0, 1) down to its share. The code is the shortest binary fraction whose own interval
    lies in what is left; so no code begins another. Arguments and errors as for `code_length`; at most 20,000 symbols.

    References
    ----------
    Rissanen (1976).

    Examples
    --------
    >>> encode([2, 1, 1], [0, 2, 0])
    '0110'
    >>> decode([2, 1, 1], '0110', 3)
    array([0, 2, 0])
    """
    ends = _cumulated("encode", frequencies)
    symbols = _symbols("encode", x, ends)
    low, width, whole = 0, 1, 1  # the interval [low, low + width) / whole
    for s in symbols:
        low = low * ends[-1] + width * ends[s]
        width *= ends[s + 1] - ends[s]
        whole *= ends[-1]
    bits = max(0, whole.bit_length() - width.bit_length() - 1)
    while True:
        code = -(-(low << bits) // whole)  # the first fraction code / 2^bits in the interval
        if (code + 1) * whole <= (low + width) << bits:
            return f"{code:0{bits}b}" if bits else ""
        bits += 1


def decode(frequencies: ArrayLike, bits: str, n: int) -> np.ndarray:
    """The n symbols of a message of `encode`, from its bits and the same frequencies.

    Raises
    ------
    ValueError, TypeError
        If the bits are no text of zeros and ones, or n is no positive integer up to 20,000.

    Examples
    --------
    >>> decode([9, 1], encode([9, 1], [0, 0, 1, 0, 0]), 5)
    array([0, 0, 1, 0, 0])
    """
    where = "decode"
    ends = _cumulated(where, frequencies)
    if not isinstance(bits, str) or set(bits) - {"0", "1"}:
        checks.fail(where, "bits", bits, "a text of zeros and ones", "Pass what encode returned.", TypeError)
    if checks.sample_size(where, n) > LONGEST:
        checks.fail(where, "n", n, f"at most {LONGEST:,}", "Send longer messages in parts.")
    place, whole = int(bits or "0", 2), 1 << len(bits)  # the fraction place / whole within what is left
    symbols = np.empty(n, dtype=int)
    for i in range(n):
        place *= ends[-1]
        s = int(np.searchsorted(ends, place // whole, side="right")) - 1
        place -= ends[s] * whole
        whole *= ends[s + 1] - ends[s]
        symbols[i] = s
    return symbols
