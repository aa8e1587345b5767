"""Tables on small screens: names break at their joints, and rows of wide tables become blocks."""

import re

PHONE = 40  # characters of a table side by side on a phone
NUMBER = re.compile(r"[−+-]?(?:∞|\d[\d,]*(?:\.\d+)?(?: · 10[⁻⁰¹²³⁴-⁹]+)?(?: ?%)?(?: ± \d[\d.,]*)?)|–?")
LONG = 24  # characters of a name that also breaks after "_" and before a capital


def mend_tables(soup):
    """Let long names break at their joints, or one makes a table too wide; fold what is too wide all the same."""
    for text in soup.select("td code .pre, .lesson td code"):
        name = text.get_text()
        more = r"|(?<=_)(?=[^_])|(?<=[a-z])(?=[A-Z])" if len(name) > LONG else ""
        parts = re.split(r"(?<=[.(])(?=\w)" + more, name)
        text.clear()
        for index, part in enumerate(parts):
            text.extend([soup.new_tag("wbr"), part] if index else [part])
    for table in soup.select("table.lesson"):
        set_right(table)
    for table in soup.select("table.table:not(.folding)"):
        heads = [head.get_text().strip() for head in table.select("thead th")]
        if len(heads) > 2 and all(heads[1:]) and width(table) > PHONE:
            table["class"].append("folding")
    for table in soup.select("table.folding"):
        if "lesson" in table["class"] and width(table) <= PHONE:
            table["class"].remove("folding")
        else:
            fold(table)


def set_right(table):
    """Numbers that a cell wrote as texts stand at the right as the others do: 9 % above 11 %, a dash where none is."""
    for column in zip(*(row.find_all(["th", "td"]) for row in table.find_all("tr")), strict=False):
        texts = [cell.get_text().strip() for cell in column[1:]]
        if any(texts) and all(map(NUMBER.fullmatch, texts)):
            for cell in column:
                cell["class"] = ["number"]


def mend_signatures(soup):
    """A function's name and its arguments rather begin a line than break within a word."""
    for joint in soup.select("dt.sig > .sig-prename, dt.sig > .sig-name + .sig-paren"):
        joint.insert_after(soup.new_tag("wbr"))


def width(table):
    """Characters of its columns at their widest, with the room between them."""
    rows = [[len(cell.get_text()) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
    return sum(max(column) + 2 for column in zip(*rows, strict=False))


def label_width(table, labels):
    """What the longest needs, as far as the cells leave it: numbers leave more than words."""
    cells = table.select("tbody td:not(:first-child)")
    room = 10.5 if cells and all("number" in cell.get("class", []) for cell in cells) else 7.75
    return min(max(5.5, 0.52 * max(map(len, labels), default=0)), room)


def fold(table):
    """On a phone each row becomes a block: cells say their column, and roles keep it a table for screen readers."""
    heads = [" ".join(head.get_text().split()) for head in table.select("thead th")]
    roles = {"thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "th": "columnheader", "td": "cell"}
    table["role"] = "table"
    table["style"] = f"--label: {label_width(table, heads[1:]):.4g}rem"
    for tag in table.find_all(list(roles)):
        tag["role"] = roles[tag.name]
    for row in table.select("tbody tr"):
        cells = row.find_all("td")
        for head, cell in zip(heads, cells):
            cell["data-label"] = head
        if cells and not re.search(r"[^\W\d_]", cells[0].get_text()):  # a number names nothing
            cells[0]["class"] = [*cells[0].get("class", []), "bare"]
