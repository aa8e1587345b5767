"""Drop style rules for classes that occur nowhere in the site.

Themes ship rules for hundreds of components; a page needs a few.  The test is cautious:
a class counts as used if its name occurs in a `class` attribute of any page, or as a word
anywhere in any script, so that classes set by scripts stay.
"""

import re

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?\*/|[{};]', re.S)
GROUPS = ("@media", "@supports", "@layer", "@container")


def used_classes(pages, scripts):
    words = set()
    for html in pages:
        for value in re.findall(r'\bclass="([^"]*)"', html):
            words.update(value.split())
        scripts = [*scripts, *re.findall(r"<script\b[^>]*>(.*?)</script>", html, re.S)]
    for script in scripts:
        words.update(re.findall(r"[\w-]+", script))
    return words


def rules(css):
    """Split CSS into (prelude, block) pairs; the block of a bare statement is None."""
    start, depth, prelude = 0, 0, ""
    for token in TOKEN.finditer(css):
        mark = token.group()
        if mark == "{":
            depth += 1
            if depth == 1:
                prelude, start = css[start : token.start()], token.end()
        elif mark == "}":
            depth -= 1
            if depth == 0:
                yield prelude, css[start : token.start()]
                start = token.end()
        elif mark == ";" and depth == 0:
            yield css[start : token.end()], None
            start = token.end()


def is_used(selector, used):
    while "(" in selector:  # what stands in :not() or :is() need not be there
        selector, count = re.subn(r"\([^()]*\)", "", selector)
        if not count:
            return True
    return all(name in used for name in re.findall(r"\.(-?[A-Za-z_][\w-]*)", selector)) and "\\" not in selector


def prune(css, used):
    kept = []
    for prelude, block in rules(css):
        head = re.sub(r"/\*.*?\*/", "", prelude, flags=re.S).strip()
        if block is None:
            kept.append(prelude)
        elif head.startswith(GROUPS):
            inner = prune(block, used)
            if inner.strip():
                kept.append(f"{prelude}{{{inner}}}")
        elif head.startswith("@"):
            kept.append(f"{prelude}{{{block}}}")
        else:
            comments = "".join(re.findall(r"/\*!.*?\*/", prelude, flags=re.S))  # licences stay
            selectors = [part for part in re.split(r",(?![^(\[]*[)\]])", head) if is_used(part, used)]
            if selectors:
                kept.append(f"{comments}{','.join(selectors)}{{{block}}}")
            elif comments:
                kept.append(comments)
    return "".join(kept)
