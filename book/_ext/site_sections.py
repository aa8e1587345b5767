"""Sections far from the window are laid out when they come near, so that a long page shows at once.

Until then a browser takes the height said here, in CSS pixels on a wide screen, for the length of its scroll bar
(`content-visibility` in site.css).  It need only be about right.
"""

import math
from collections import Counter

from bs4 import Comment


def say_heights(soup, aside):
    """Give each section of the page its height; `aside` are the formulas and code that comments stand for."""
    for section in soup.select("section > section"):
        if not section.find_parent("section").find_parent("section"):
            section["style"] = f"--tall: {estimate(section, aside)}"


def estimate(section, aside):
    """Rather too tall: what does not fit would lie under the next section as long as neither is laid out."""
    lines, letters = 0, 0
    for text in section.find_all(string=True):
        if text.find_parent(("details", "svg")):
            continue
        if not isinstance(text, Comment):
            letters += len(text.strip())
        elif text.startswith("aside"):
            content = aside[int(text.split()[1])]
            lines += content.count("\n") + 2 if content.startswith("<pre") else 0
    shown = [tag for tag in section.find_all(("figure", "details", "tr", "div")) if not tag.find_parent("details")]
    count = Counter("formula" if "math" in tag.get("class", []) else tag.name for tag in shown)
    blocks = 550 * count["figure"] + 55 * count["details"] + 38 * count["tr"] + 70 * count["formula"]
    return math.ceil((100 + letters / 2 + 23 * lines + blocks) / 50) * 50
