"""The ledger is true: every label, callable, cell and test that a paid row names exists, and does what the row says."""

import importlib
import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
ROWS = yaml.safe_load((ROOT / "book" / "ledger.yml").read_text(encoding="utf-8"))
PAID = [row for row in ROWS if row["status"] == "paid" and "reading" not in row]
READING = [row for row in ROWS if "reading" in row]
KEYS = {"id", "source", "claim", "status", "derivation", "computed", "checked", "figure", "exercise"}
EXPECTED = (
    {f"N{i}" for i in range(1, 10)}
    | {f"P{i}" for i in range(1, 10)}
    | {f"Q{i}" for i in range(1, 10)}
    | {f"B{i}" for i in range(1, 14)}
)
SOURCES = {"N": "notes", "P": "post", "Q": "question", "B": "beyond"}


def many(value):
    return [value] if isinstance(value, str) else value


def notebooks():
    return {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in (ROOT / "book").glob("*.ipynb")}


NOTEBOOKS = notebooks()
TEXT = "\n".join(
    "".join(cell["source"])
    if cell["cell_type"] == "markdown"
    else "name: " + cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", "")
    for notebook in NOTEBOOKS.values()
    for cell in notebook["cells"]
)


def test_has_every_row_once_with_its_source():
    assert sorted(row["id"] for row in ROWS) == sorted(EXPECTED)
    for row in ROWS:
        assert row["source"] == SOURCES[row["id"][0]]
        assert row["status"] in ("paid", "open")
        assert len(row["claim"]) > 20
        stated = {"id", "source", "claim", "status"}
        assert set(row) == (
            stated | {"reading", "checked"} if row in READING else KEYS if row["status"] == "paid" else stated
        )


each_paid = pytest.mark.parametrize("row", PAID, ids=[row["id"] for row in PAID])


@each_paid
def test_derivation_figure_and_exercise_are_labels_in_a_chapter(row):
    for label in many(row["derivation"]):
        assert f"$$ ({label})" in TEXT or f":label: {label}\n" in TEXT, label
    for label in many(row["figure"]):
        assert f"name: {label}\n" in TEXT + "\n", label
    for label in many(row["exercise"]):
        assert f":label: {label}\n" in TEXT, label


@each_paid
def test_computed_names_are_callables_used_in_a_chapter(row):
    code = "\n".join("".join(c["source"]) for n in NOTEBOOKS.values() for c in n["cells"] if c["cell_type"] == "code")
    for name in many(row["computed"]):
        assert name.startswith("companion."), name
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), attribute)), name
        assert re.search(rf"\b{attribute}\(", code), f"no chapter calls {name}"


@each_paid
def test_checks_are_a_claim_cell_and_a_test(row):
    checks = many(row["checked"])
    cells = [entry for entry in checks if "#" in entry]
    tests = [entry for entry in checks if "::" in entry]
    assert cells and tests and len(cells) + len(tests) == len(checks)
    for entry in cells:
        chapter, identifier = entry.split("#")
        code = next("".join(c["source"]) for c in NOTEBOOKS[chapter]["cells"] if c["id"] == identifier)
        assert re.search(r"claims\.\w+\(|assert", code), f"{entry} asserts nothing"
    for entry in tests:
        assert_that_test_asserts(entry)


def assert_that_test_asserts(entry):
    file, name = entry.split("::")
    body = (ROOT / file).read_text(encoding="utf-8")
    match = re.search(rf"^def {name}\(.*?(?=^def |^class |^@|\Z)", body, re.M | re.S)
    assert match, f"{entry} does not exist"
    assert re.search(r"assert|raises", match.group()), f"{entry} asserts nothing"


def test_the_request_for_reading_names_every_question_of_the_list():
    assert [row["id"] for row in READING] == ["Q9"] and READING[0]["status"] == "paid"
    text = (ROOT / "book" / "reading.md").read_text(encoding="utf-8")
    assert READING[0]["reading"] == re.findall(r"^\((read-[\w-]+)\)=$", text, re.M)
    for entry in READING[0]["checked"]:
        assert_that_test_asserts(entry)
