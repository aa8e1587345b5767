r"""Where a displayed formula may go on in the next line when a phone has no room for it.

KaTeX draws a formula as unbreakable pieces that end after a relation or a binary operator. Here an operator is moved to
the head of the next piece, and pieces are put into parts within parts, so that a browser breaks at a wide space first,
before a relation next, then before a term of a sum, and within brackets only if nothing else helps (site.css).
"""

import re

PIECE, END = '<span class="katex-base">', "</span>"
OPERATOR = re.compile(r'<span class="m(rel|bin)">[^<]*</span>(?:<span class="mspace"[^>]*></span>)*</span>$')
STRUT = re.compile(r'<span class="katex-strut"[^>]*></span>')
SPACE, RELATION, SUM = range(3)  # what a break is at, the best first; after them come brackets, the deeper the later
WIDE_SPACE = re.compile(r"\\q?quad(?![A-Za-z])")
GROUP = re.compile(r"\\begin|\\end|\\left(?![a-z])|\\right(?![a-z])|\\[{}]|[{}]|\\q?quad(?![A-Za-z])")


def breaks_at_spaces(tex):
    r"""TeX with leave to break after each `\quad` that stands in no group."""

    def mark(found):
        nonlocal depth
        token = found.group()
        depth += (token in (r"\begin", r"\left", "{")) - (token in (r"\end", r"\right", "}"))
        return rf"{token}\allowbreak" if WIDE_SPACE.match(token) and not depth else token

    depth = 0
    return GROUP.sub(mark, tex)


def in_parts(html):
    """The HTML of a displayed formula with its pieces in parts."""
    head, *pieces = html.split(PIECE)
    if len(pieces) < 2:
        return html
    *pieces, last = pieces
    last, tail = last[: -2 * len(END)], last[-2 * len(END) :]  # of the drawing and of the formula
    pieces, levels, depth = [*pieces, last], [], 0
    for place in range(len(pieces) - 1):
        piece = pieces[place]
        letters = re.sub(r"<[^>]*>", "", piece)
        depth += sum(map(letters.count, "([{⟨")) - sum(map(letters.count, ")]}⟩"))
        found = OPERATOR.search(piece)
        level = {"rel": RELATION, "bin": SUM}[found[1]] if found else SPACE
        levels.append(SUM + depth if depth > 0 else level)
        if found:
            pieces[place] = piece[: found.start()] + END
            pieces[place + 1] = after_strut(found.group().removesuffix(END), pieces[place + 1])
    return head + nested([PIECE + piece for piece in pieces], levels, SPACE) + tail


def after_strut(operator, piece):
    end = STRUT.match(piece).end()
    return piece[:end] + operator + piece[end:]


def nested(pieces, levels, level):
    """Pieces joined; those between two breaks of this level are a part of their own. `levels` are between pieces."""
    if not levels:
        return pieces[0]
    parts, start = [], 0
    for place in [i for i, found in enumerate(levels) if found == level] + [len(levels)]:
        parts.append(nested(pieces[start : place + 1], levels[start:place], level + 1))
        start = place + 1
    joined = "".join(parts)
    return f'<span class="part">{joined}</span>' if level and len(parts) > 1 else joined
