"""Tables and checks of answers, the two helpers that pages use beside claims and figures."""

from __future__ import annotations

import numpy as np
import pytest

from companion.lesson import exercises, tables


def test_a_table_is_the_same_rows_as_text_and_as_html(monkeypatch):
    shown = []
    ipython = pytest.importorskip("IPython")
    monkeypatch.setattr(ipython, "get_ipython", lambda: type("Shell", (), {"kernel": None})())
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data) if raw else None)
    tables.show({"a <b>": ["`x` & y", "z"], "n": [1234, -5], "v": [1.5e-7, np.inf]}, digits={"v": 2})
    assert shown[0]["text/plain"].splitlines()[2:] == ["`x` & y  1,234  1.5 · 10⁻⁷", "z           −5           ∞"]
    assert (
        "<th>a &lt;b&gt;</th>" in shown[0]["text/html"] and "<td><code>x</code> &amp; y</td>" in shown[0]["text/html"]
    )
    assert '<td class="number">1,234</td>' in shown[0]["text/html"]


def test_a_cell_without_a_number_is_empty_and_its_column_stays_one_of_numbers(capsys):
    tables.show({"n": [10, 200, 5], "slope": [-0.5, None, np.inf]}, digits={"slope": ".2f"})
    assert capsys.readouterr().out.splitlines()[2:] == [" 10  −0.50", "200", "  5      ∞"]


def test_numbers_that_are_none_have_names(capsys):
    tables.show({"v": [np.nan, np.inf, -np.inf, float("nan"), 1.0]})
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[2:]] == ["NaN", "∞", "−∞", "NaN", "1.000"]


@pytest.mark.parametrize(
    "columns, digits, message",
    [
        ({}, 4, "at least one column"),
        ({"a": [1], "b": [1, 2]}, 4, "columns of one length"),
        ({"a": []}, 4, "columns of one length"),
        ({"a": [1]}, {"b": 3}, "headings among a"),
        ({"": [1]}, 4, "a heading in words"),
    ],
)
def test_bad_tables_are_refused(columns, digits, message):
    with pytest.raises(ValueError, match=message):
        tables.show(columns, digits=digits)


def helper(x):
    return np.linalg.det(x)


def by_way_of_a_helper(x):
    return helper(x)


def test_a_check_sees_through_helpers_comprehensions_and_imports():
    with pytest.raises(AssertionError, match=r"det; the exercise is to do without numpy.linalg"):
        exercises.forbid(by_way_of_a_helper, ["numpy.linalg"])

    def imports(x):
        import companion

        return companion.entropy(x)

    def comprehends(x):
        return [np.linalg.inv(part) for part in x]

    with pytest.raises(AssertionError, match="companion"):
        exercises.forbid(imports, ["companion"])
    with pytest.raises(AssertionError, match=r"numpy\.linalg"):
        exercises.forbid(comprehends, ["numpy.linalg"])
    exercises.forbid(comprehends, ["companion", "scipy", "numpy.linalg.det"])


@pytest.mark.parametrize(
    "answer, message",
    [
        (lambda x: None, "got None, expected"),
        (lambda x: x, r"got 2\.0, expected 4"),
        (lambda x: np.array([4.0]), "got .*4.*expected 4"),
        (lambda x: "4", "got '4'"),
        (lambda x: np.nan, "got nan"),
    ],
)
def test_a_wrong_answer_is_shown_beside_what_was_expected(answer, message):
    with pytest.raises(AssertionError, match=message):
        exercises.check(answer, [((2.0,), 4)])


def test_a_refusal_can_be_what_is_expected(capsys):
    exercises.check(np.linalg.inv, [((np.zeros((2, 2)),), np.linalg.LinAlgError)])
    assert capsys.readouterr().out == "✓ inv: 1 case\n"
    with pytest.raises(AssertionError, match="expected LinAlgError"):
        exercises.check(np.linalg.inv, [((np.eye(2),), np.linalg.LinAlgError)])
