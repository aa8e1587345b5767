"""Sections far from the window are laid out when they come near, so that a long page shows at once.

Until then a browser takes the heights said here, in CSS pixels on a wide and on a narrow screen, for the length of its
scroll bar (`content-visibility` in site.css).  They need only be about right, but never too small: what does not fit
lies on the next section as long as neither is laid out.
"""

import math
import re
from collections import Counter

from bs4 import Comment

# what adds how much to a section, at 1350 and at 360 pixels: fitted to the chapters, from above
WIDE = {"": 100, "text": 0.42, "line": 21, "figure": 400, "details": 62, "math": 150, "box": 34}
WIDE |= {"tr": 56, "li": 29, "dd": 95, "h3": 48}
NARROW = {"": 95, "text": 0.77, "line": 42, "figure": 560, "details": 90, "math": 118, "box": 50}
NARROW |= {"tr": 130, "li": 49, "dd": 115, "h3": 58}


def say_heights(soup, aside):
    """Give each section of the page its heights; `aside` are the formulas and code that comments stand for."""
    for section in soup.select("section > section"):
        if not section.find_parent("section").find_parent("section"):
            found = contents(section, aside)
            wide, narrow = (
                math.ceil(sum(found[what] * price for what, price in prices.items()) / 50) * 50
                for prices in (WIDE, NARROW)
            )
            section["style"] = f"--wide: {wide}; --narrow: {narrow}"


def contents(section, aside):
    """How much of everything a section shows while its boxes are closed."""
    found = Counter({"": 1})
    for text in section.find_all(string=True):
        if text.find_parent(("details", "svg")):
            continue
        if not isinstance(text, Comment):
            found["text"] += len(text.strip())
        elif text.startswith("aside"):
            content = aside[int(text.split()[1])]
            if content.startswith("<pre"):
                found["line"] += content.count("\n") + 2
            elif not text.find_parent("div", class_="math"):
                found["text"] += len(re.sub(r"<[^>]*>", "", content.rpartition('class="katex-html"')[2]))
    for tag in section.find_all(("figure", "details", "tr", "li", "dd", "div", "h3")):
        classes = tag.get("class", [])
        if not tag.find_parent("details"):
            found[tag.name] += 1
            found["math"] += "math" in classes
            found["box"] += "admonition" in classes
    return found
