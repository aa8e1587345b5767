"""Sections far from the window are laid out when they come near, so that a long page shows at once.

Until then a browser takes the height said here, in CSS pixels on a wide screen, for the length of its scroll bar
(`content-visibility` in site.css).  What it says need not be right, but about right.
"""

import math

from bs4 import Comment


def say_heights(soup, aside):
    """Give each section of the page its height; `aside` are the formulas and code that comments stand for."""
    for section in soup.select("section > section"):
        if not section.find_parent("section").find_parent("section"):
            section["style"] = f"--tall: {estimate(section, aside)}"


def estimate(section, aside):
    lines, letters = 0, 0
    for text in section.find_all(string=True):
        if text.find_parent(("details", "svg")):
            continue
        if not isinstance(text, Comment):
            letters += len(text.strip())
        elif text.startswith("aside"):
            content = aside[int(text.split()[1])]
            lines += content.count("\n") if content.startswith("<pre") else 0
    shown = [tag for tag in section.find_all(("figure", "details", "div")) if not tag.find_parent("details")]
    figures = sum(tag.name == "figure" for tag in shown)
    folded = sum(tag.name == "details" for tag in shown)
    formulas = sum(tag.name == "div" and "math" in tag.get("class", []) for tag in shown)
    height = 100 + letters / 2.3 + 21 * lines + 550 * figures + 55 * folded + 70 * formulas
    return math.ceil(height / 50) * 50
