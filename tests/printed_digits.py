"""Which digits a chapter may print: those that hold on every processor.

The difference of two things that are equal is rounding noise: its digits depend on how a processor adds. A page prints
the bound that is claimed, never the noise. So a number below 1e-6 in magnitude may be printed only

- as a bound, after a word or sign that makes it one: "agree to 1e-10", "error below 1e-14", "≤ 1e-6", "rtol=1e-9";
- as an input, written with this value in the source of the cell that prints it;
- as a result that happens to be small, in a cell whose metadata has `tiny`: the reason why its digits hold everywhere
  (it is an exact value, or a stored one, or rounded to its stable digits).

A zero with a minus sign is noise too: what was rounded away decides about its sign.
"""

from __future__ import annotations

import re

TINY = 1e-6
NUMBER = re.compile(r"(?<![\w.])(?P<sign>[-−]?)(?P<size>\d[\d,_]*(?:\.\d*)?(?:e[-−+]?\d+)?)(?![\w])", re.IGNORECASE)
BOUND = re.compile(
    r"(?:[≤<≥>±]|\b(?:(?<!up )to|within|below|beneath|under|beyond|than|at most|at least|[ra]tol))[\s=]*$"
)
POWER = re.compile(r" · 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
MINUTE_REASON = 30  # characters: fewer give no reason


def value(text: str) -> float:
    return float(re.sub("[,_]", "", text).replace("−", "-"))


def literals(source: str) -> set[float]:
    """Sizes of all numbers written in a piece of code."""
    return {value(match["size"]) for match in NUMBER.finditer(source)}


def printed_by(cell: dict) -> str:
    """The text that a code cell printed or showed as a table, without that of its pictures."""
    texts = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        is_picture = any(kind.startswith("image/") for kind in data)
        texts.append("".join(output.get("text", "") or ("" if is_picture else data.get("text/plain", ""))))
    return "\n".join(texts)


def plain(line: str) -> str:
    """A line with its powers of ten as a computer writes them: 1.5 · 10⁻⁷ is 1.5e-7."""
    return POWER.sub(lambda match: "e" + match[1].translate(LOWERED), line)


def noise(line: str, source: str = "") -> list[str]:
    """The numbers in a printed line that may be rounding noise, for a cell with this source."""
    found, line = [], plain(line)
    for match in NUMBER.finditer(line):
        size = value(match["size"])
        stated = BOUND.search(line[: match.start()]) or size in literals(source)
        if (0 < size < TINY and not stated) or (size == 0 and match["sign"]):
            found.append(match.group())
    return found


def problems(cell: dict) -> list[str]:
    """Lines of a code cell's stored output that print noise, or a `tiny` that gives no reason or has no use."""
    source = "".join(cell["source"])
    found = {line: noise(line, source) for line in printed_by(cell).splitlines()}
    lines = [f"{numbers} in: {line}" for line, numbers in found.items() if numbers]
    reason = cell["metadata"].get("tiny")
    if reason is None:
        return lines
    if not isinstance(reason, str) or len(reason) < MINUTE_REASON:
        return [f"tiny: {reason!r} says not why these digits hold on every processor"]
    if not lines:
        return ["tiny, but no tiny number is printed"]
    # the sign of a zero is noise whatever the reason
    zeros = {line: [number for number in numbers if value(number) == 0] for line, numbers in found.items()}
    return [f"{numbers} in: {line}" for line, numbers in zeros.items() if numbers]
