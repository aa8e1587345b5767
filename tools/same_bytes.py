"""Compare two builds of the book byte by byte: ``python tools/same_bytes.py one two``, or ``make same-bytes``.

Exit status 1 and the names if a file differs or is missing in one of them, with the first line that differs.
"""

from __future__ import annotations

import sys
from itertools import zip_longest
from pathlib import Path


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def differences(first: Path, second: Path) -> list[str]:
    """One line for each file that is not the same in both folders."""
    one, two = files(first), files(second)
    if not one:
        return [f"there is no file in {first}"]
    found = [f"{name}: only in {first if name in one else second}" for name in sorted(one.keys() ^ two.keys())]
    for name in sorted(one.keys() & two.keys()):
        if one[name] != two[name]:
            pairs = enumerate(zip_longest(one[name].splitlines(), two[name].splitlines(), fillvalue=b""), 1)
            place = next(((n, a, b) for n, (a, b) in pairs if a != b), (0, b"line ends", b"line ends"))
            found.append(f"{name}: line {place[0]}: {place[1][:100]!r} and {place[2][:100]!r}")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = differences(*map(Path, sys.argv[1:]))
    print("\n".join(found) or f"the same bytes in {len(files(Path(sys.argv[1])))} files")
    sys.exit(bool(found))
