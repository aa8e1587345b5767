"""Answers stay folded, and lines of checks are one quiet mark.

- cells tagged `exercise`, `check` or `solution` and `{solution}` boxes that follow each other are one box, "Solution"
- lines of output that begin with ✓ become "✓ 3 checks", which opens to the lines
- an exercise says its difficulty and its minutes at the right of its title
"""

import json
import re

from bs4 import Tag

ANSWER = ("tag_exercise", "tag_check", "tag_solution", "solution")
STREAM = re.compile(
    r'(<div class="output stream[^>]*>\s*<div class="highlight"><pre>)(.*?)(</pre></div>\s*</div>)', re.S
)
EFFORT = re.compile(r"\s*(★{1,3})\s*(?:\((\d+) min\))?\s*\)?\s*$")


def fold_claims(body):
    """Put each run of lines that begin with ✓ into a box of its own."""

    def fold(stream):
        start, text, end = stream.groups()
        runs = re.findall(r"(?:^✓.*\n?)+|(?:^(?!✓).*\n?)+", text.removeprefix("<span></span>"), re.M)
        return "".join(claims(start, run, end) if run[0] == "✓" else start + run + end for run in runs if run.strip())

    return STREAM.sub(lambda stream: fold(stream) if "✓" in stream[2] else stream[0], body)


def claims(start, run, end):
    count = run.count("✓ ")
    mark = f"✓ {count} check{'s' * (count > 1)}"
    return f'<details class="claims"><summary>{mark}</summary>{start}{run}{end}</details>'


def is_answer(tag):
    return isinstance(tag, Tag) and any(name in tag.get("class", []) for name in ANSWER)


def fold_answers(soup):
    done = set()
    for first in soup.find_all(is_answer):
        if id(first) in done or first.find_parent(class_="solution"):
            continue
        run = [first]
        for sibling in first.next_siblings:
            if is_answer(sibling):
                run.append(sibling)
            elif isinstance(sibling, Tag) or sibling.strip():
                break
        done.update(map(id, run))
        box = soup.new_tag("details", attrs={"class": "admonition solution"})
        title = soup.new_tag("summary", attrs={"class": "admonition-title"})
        title.string = "Solution"
        first.insert_before(box)
        box.append(title)
        for part in run:
            box.append(part.extract())
            undress(part)


def undress(part):
    """Inside the box nothing folds again: neither the code nor the text has a title of its own."""
    for fold in part.select("details.above-input"):  # of a hidden cell it holds the outputs as well
        fold.summary.decompose()
        fold.unwrap()
    if "solution" in part["class"]:
        part.name, part["class"] = "div", ["solution-text"]
        part.find(class_="admonition-title").decompose()


def show_effort(soup):
    for title in soup.select(".exercise > .admonition-title"):
        words = [text for text in title.find_all(string=True) if not text.find_parent(class_="caption-number")]
        found = EFFORT.search(words[-1]) if words else None
        if not found:
            continue
        words[-1].replace_with(words[-1][: found.start()])
        start = next(text for text in title.find_all(string=True) if not text.find_parent(class_="caption-number"))
        start.replace_with(re.sub(r"^\s*\(", "", start))
        stars, minutes = found.groups()
        effort = soup.new_tag("span", attrs={"class": "effort"})
        said = soup.new_tag("span", attrs={"class": "visually-hidden"})
        said.string = f" difficulty {len(stars)} of 3, "
        drawn = soup.new_tag("span", attrs={"aria-hidden": "true"})
        drawn.string = stars
        effort.extend([said, drawn, f" {minutes} min" if minutes else ""])
        title.append(effort)


def mark_solutions(app, docname, source):
    """A Markdown cell tagged `solution` without the directive becomes a box."""
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if (
            cell["cell_type"] == "markdown"
            and "solution" in cell["metadata"].get("tags", [])
            and "{solution" not in text
        ):
            cell["source"] = f"::::::{{admonition}} Solution\n:class: dropdown solution\n{text}\n::::::"
    source[0] = json.dumps(notebook, ensure_ascii=False)


def setup(app):
    app.connect("source-read", mark_solutions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
