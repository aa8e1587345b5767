"""Long lines of code and of output go on below on a phone, a little further in (site.css)."""

import html
import re

PRE = re.compile(r"<pre>(.*?\n?)\n*</pre>", re.S)  # an empty line at the end ends a doctest in its source alone
TAG = re.compile(r"<(/?)span\b[^>]*>")
ROOM = 36  # characters of a line on a phone
COLUMNS = re.compile(r"\S {3,}\S")


def let_lines_wrap(block):
    """A `pre` block whose long lines are elements that know how far in they begin.

    Printed columns that stand below each other still scroll, and so does what holds more than words and colours.
    """
    found = PRE.fullmatch(block)
    bare = found and TAG.sub("", found[1])
    if not found or "<" in bare:
        return block
    printed = "<span class" not in found[1]
    if printed and any(len(line) > ROOM and COLUMNS.search(line) for line in html.unescape(bare).split("\n")):
        return block.replace("<pre>", '<pre class="columns">', 1)
    opened, lines = [], []
    for line in re.findall(r".*\n|.+$", found[1]):
        before = [*opened]
        for tag in TAG.finditer(line):
            opened.pop() if tag[1] else opened.append(tag[0])
        text = html.unescape(TAG.sub("", line)).rstrip("\n")
        if len(text) > ROOM:  # an element of colours that goes on beyond the line ends with it and begins anew
            within = len(text) - len(text.lstrip(" ")) + 2
            start = f'{"</span>" * len(before)}<span class="long" style="--in: {within}">{"".join(before)}'
            line = f"{start}{line}{'</span>' * len(opened)}</span>{''.join(opened)}"
        lines.append(line)
    return f"<pre>{''.join(lines)}</pre>"
