"""What nbval does not see: cells that were never run, missing alt text, stale metadata, numbers in prose, exercises."""

import ast
import dis
import functools
import itertools
import json
import re
import sys
from pathlib import Path
from types import CodeType

import printed_digits
import pytest

BOOK = Path(__file__).resolve().parent.parent / "book"
sys.path.insert(0, str(BOOK / "_ext"))
import chapters  # noqa: E402

NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
CHAPTERS = [BOOK / f"{chapter['slug']}.ipynb" for chapter in chapters.finished()]  # drafts may be incomplete
STUBS = ("raise NotImplementedError", "return None", "return 0.0")


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tags(cell):
    return cell["metadata"].get("tags", [])


def printed(notebook):
    """All text that the cells printed, tables with it."""
    return "\n".join(printed_digits.plain(printed_digits.printed_by(cell)) for cell in code_cells(notebook))


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def unexecuted(notebook):
    """Names of the code cells that were not run in their order, from top to bottom, by a fresh kernel."""
    return [cell["id"] for place, cell in enumerate(code_cells(notebook), 1) if cell["execution_count"] != place]


@each_notebook
def test_prints_only_digits_that_hold_on_every_processor(path):
    found = {cell["id"]: printed_digits.problems(cell) for cell in code_cells(load(path))}
    assert not {name: lines for name, lines in found.items() if lines}


@each_notebook
def test_is_executed_in_order_without_errors_or_stderr(path):
    cells = code_cells(load(path))
    assert unexecuted(load(path)) == []
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert not [o for o in outputs if o["output_type"] == "execute_result"], "print what the reader should see"


@each_notebook
def test_metadata_is_what_the_refresh_command_writes(path):
    notebook = load(path)
    assert notebook["metadata"]["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]+", identifier) for identifier in identifiers), (
        "cells are named by what they show"
    )
    assert not [cell["id"] for cell in notebook["cells"] if "execution" in cell["metadata"]]


@each_notebook
def test_is_small(path):
    assert path.stat().st_size < 1_000_000


@each_notebook
def test_every_figure_has_a_name_a_caption_and_alt_text(path):
    for cell in code_cells(load(path)):
        images = [o for o in cell["outputs"] if {"image/png", "image/svg+xml"} & o.get("data", {}).keys()]
        assert len(images) == source(cell).count("plt.show()"), cell["id"]
        if images:
            rendering = cell["metadata"]["mystnb"]
            assert rendering["figure"]["name"].startswith("fig-"), cell["id"]
            assert len(rendering["figure"]["caption"]) > 40, cell["id"]
            alt = rendering["image"]["alt"]
            assert len(alt) > 60 and alt != rendering["figure"]["caption"], cell["id"]


@each_notebook
def test_code_and_output_fit_the_page(path):
    notebook = load(path)
    for cell in code_cells(notebook):
        assert max(map(len, source(cell).splitlines())) <= 80, cell["id"]
        assert ("plt.show()" in source(cell)) <= ("hide-input" in tags(cell)), f"{cell['id']}: fold the code of figures"
        for output in cell["outputs"]:  # tables fold on a phone, and claims in their box
            lines = "".join(output.get("text", "")).splitlines()
            assert all(len(line) <= (100 if line.startswith("✓") else 80) for line in lines), cell["id"]


@each_notebook
def test_claim_marks_are_printed_only_by_checks(path):
    for cell in code_cells(load(path)):
        assert "✓" not in source(cell), cell["id"]


@each_notebook
def test_no_line_break_tears_a_formula(path):
    """A line that starts like a list, a quotation or a heading ends the paragraph, even inside a formula."""
    for cell in load(path)["cells"]:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"^(```+).*?^\1|\$\$.*?\$\$|(`+)(?!`).+?\2", "", source(cell), flags=re.S | re.M)
            for formula in re.findall(r"\$[^$]+\$", text.replace("\\$", "")):
                assert not re.search(r"\n\s*(?:[-+*>=]|#+|\d+[.)])(?:\s|$)|\n\s*\n", formula), (cell["id"], formula)


@each_notebook
def test_every_number_in_the_prose_comes_out_of_a_cell(path):
    """Decimals and numbers with a thousands separator in the text must be printed by a cell, or be put into one."""
    notebook = load(path)
    known = printed(notebook) + "\n" + "\n".join(source(cell) for cell in code_cells(notebook))
    known_values = {
        float(n.replace(",", "").replace("_", "")) for n in re.findall(r"\d[\d,_]*\.?\d*(?:e-?\d+)?", known)
    }
    missing = []
    for cell in notebook["cells"]:
        captions = cell["metadata"].get("mystnb", {})
        text = (
            source(cell)
            if cell["cell_type"] == "markdown"
            else " ".join([captions.get("figure", {}).get("caption", ""), captions.get("image", {}).get("alt", "")])
        )
        text = re.sub(r"\{[a-z:]+\}`[^`]*`|^:.*$|https?://\S+", " ", text, flags=re.M)
        for number in re.findall(r"(?<![\w.])\d+(?:,\d{3})+(?:\.\d+)?|(?<![\w.,])\d+\.\d+", text):
            value, decimals = float(number.replace(",", "")), len(number.partition(".")[2])
            if not any(
                abs(round(k, decimals) - value) < 1e-12 or abs(round(100 * k, decimals) - value) < 1e-12
                for k in known_values
            ):
                missing.append((cell["id"], number))
    assert not missing


@each_chapter
def test_chapter_has_every_part_of_the_page_template(path):
    notebook = load(path)
    text = "\n".join(source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    course = notebook["metadata"]["course"]
    assert 2 <= len(course["objectives"]) <= 4 and course["prerequisites"] and course["minutes"] > 0
    head = source(notebook["cells"][0])
    assert head.startswith(f"# {course['title']}\n") and "$" not in course["title"]
    for objective in course["objectives"]:
        assert objective in re.sub(r"\$(.*?)\$", r"\1", head), objective
    assert f"{course['minutes']} minutes" in head
    before = itertools.takewhile(lambda cell: "$$" not in source(cell), notebook["cells"])
    assert any("{explorer}" in source(cell) or "plt.show()" in source(cell) for cell in before), (
        "something to play with, or a picture, before any formula"
    )
    for part in (
        "## Remember",
        "## Exercises",
        "## Check yourself",
        "## Further reading",
        ":class: trap",
        "{prf:proof}",
    ):
        assert part in text, part
    remembered = re.search(r"## Remember\n+(.*)", text, re.S).group(1).split("\n\n")[0]
    assert remembered.count("\n- ") + 1 <= 5


@each_chapter
def test_every_exercise_has_a_difficulty_and_a_solution(path):
    cells = load(path)["cells"]
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    exercises = re.findall(r"^:::\{exercise\} .*? (★{1,3}) \((\d+) min\)\n:label: (ex-[\w-]+)", text, re.M)
    assert len(exercises) == text.count("{exercise}") >= 6
    assert "What is wrong here?" in text
    solved = set(re.findall(r"^:::\{solution\} (ex-[\w-]+)\n:class: dropdown", text, re.M))
    for position, cell in enumerate(cells):
        if "exercise" in tags(cell):
            assert "hide-input" in tags(cell) and "check" in tags(cells[position + 1]), cell["id"]
            statement = source(cells[position - 1])
            solved.add(re.search(r":label: (ex-[\w-]+)", statement).group(1))
        if "{solution}" in source(cell):
            assert "solution" in tags(cell) and source(cell).startswith(":::{solution}"), cell["id"]
        if {"exercise", "solution"} & set(tags(cell)):
            assert cell["metadata"].get("jupyter", {}).get("source_hidden"), f"{cell['id']}: closed in Jupyter too"
    assert solved == {label for *_, label in exercises}


def solutions():
    for path in CHAPTERS:
        for cell in code_cells(load(path)):
            if "exercise" in tags(cell):
                yield pytest.param(path, cell["id"], id=f"{path.stem}-{cell['id']}")


@pytest.mark.slow
@pytest.mark.parametrize("path, identifier", list(solutions()))
def test_the_check_passes_the_solution_and_fails_stubs_and_wrong_answers(path, identifier):
    """Run the cells that the check needs, then put stubs and plausible errors in place of the solution's functions."""
    cells = code_cells(load(path))
    place = next(i for i, cell in enumerate(cells) if cell["id"] == identifier)
    namespace = prepared(path, place)
    exec(compile(source(cells[place]), identifier, "exec"), namespace)
    check = compile(source(cells[place + 1]), f"check of {identifier}", "exec")
    exec(check, dict(namespace))

    functions = [node for node in ast.parse(source(cells[place])).body if isinstance(node, ast.FunctionDef)]
    assert functions, "a coded answer is one cell of top-level functions"
    for stub in STUBS:
        stubbed = dict(namespace)
        for function in functions:
            exec(f"def {function.name}({ast.unparse(function.args)}):\n    {stub}", stubbed)
        with pytest.raises(Exception):  # noqa: B017 - whatever a stub leads to
            exec(check, stubbed)

    wrong_answers = cells[place + 1]["metadata"].get("wrong", [])
    assert len(wrong_answers) >= 2, "two plausible wrong answers, as source in the check's metadata"
    for wrong in wrong_answers:
        replaced = dict(namespace)
        exec(compile("".join(wrong), f"wrong answer to {identifier}", "exec"), replaced)
        with pytest.raises(AssertionError):
            exec(check, replaced)


def names(code):
    """The names that a piece of code binds, and those that it reads without having bound them, in functions too."""
    binds, reads = set(), set()
    body = compile(code, "cell", "exec")
    for instruction in dis.get_instructions(body):
        if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
            binds.add(instruction.argval)
        elif instruction.opname.startswith(("LOAD_NAME", "LOAD_GLOBAL")) and instruction.argval not in binds:
            reads.add(instruction.argval)
    inner = [body]
    for function in inner:
        inner.extend(constant for constant in function.co_consts if isinstance(constant, CodeType))
        if function is not body:
            looked_up = (i.argval for i in dis.get_instructions(function) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
            reads.update(set(looked_up) - binds)
    return binds, reads


def needed(cells, place):
    """Those of the cells before `place` that its answer and its check depend on, by the names they bind and read."""
    _, wanted = names("\n".join(map(source, cells[place : place + 2])))
    chosen = []
    for cell in reversed(cells[:place]):
        binds, reads = names(source(cell))
        if binds & wanted:
            chosen.insert(0, cell)
            wanted = (wanted - binds) | reads
    return chosen


@functools.cache
def wanted_cells(path):
    """Names of all cells that some check of the chapter depends on."""
    cells = code_cells(load(path))
    places = [place for place, cell in enumerate(cells) if "exercise" in tags(cell)]
    return {cell["id"] for place in places for cell in needed(cells, place)}


_prepared: dict[Path, tuple[int, dict]] = {}


def prepared(path, place):
    """The names that an answer and its check need, from the chapter's cells before it, run once and without drawing."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    done, namespace = _prepared.get(path, (0, {}))
    if done > place:
        done, namespace = 0, {}
    for cell in code_cells(load(path))[done:place]:
        if cell["id"] in wanted_cells(path):
            exec(compile(source(cell), cell["id"], "exec"), namespace)
            plt.close("all")
    _prepared[path] = (place, namespace)
    return dict(namespace)


def test_a_seed_decides_everything():
    """Random numbers in chapters come from generators with a seed, never from global state."""
    for path in NOTEBOOKS:
        for cell in code_cells(load(path)):
            assert not re.search(r"np\.random\.(?!default_rng|Generator)", source(cell)), (path.stem, cell["id"])
            assert not re.search(r"default_rng\(\)", source(cell)), (path.stem, cell["id"])
