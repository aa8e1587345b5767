"""Odd values for every argument of every public function: one clear error or a right answer, nothing else.

The values, the arguments and the rules are in `attack.py`.
"""

import os
from collections import defaultdict

import attack
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """All rows by the class or function they belong to; they write files to an empty folder."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("attack"))
    found = defaultdict(list)
    for row in attack.rows():
        found[row.name.partition(".")[0]].append(row)
    yield found
    os.chdir(before)
    plt.close("all")


def test_every_public_callable_is_attacked(rows):
    public = attack.public_names()
    assert public - set(rows) == set(attack.EXEMPT) & public
    assert set(rows) <= public | {"CountTable"}


def test_every_argument_of_every_signature_is_replaced(rows):
    for name, group in rows.items():
        for row in group:
            parameters = attack.inspect.signature(row.call).parameters.values()
            named = {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
            assert named <= set(row.arguments), name


NAMES = sorted(attack.public_names() - set(attack.EXEMPT))


@pytest.mark.parametrize("name", NAMES)
def test_one_clear_error_or_a_right_answer(rows, name):
    outcomes = [outcome for row in rows[name] for outcome in attack.attack(row)]
    faults = [outcome for outcome in outcomes if outcome.verdict not in ("refused", "right", "accepted")]
    assert not faults, "\n".join(f"{o.row}({o.argument}={o.odd}) {o.verdict}: {o.text}" for o in faults)


@pytest.mark.slow
def test_the_attack_is_large_and_sees_faults(rows):
    assert sum(len(row.arguments) for group in rows.values() for row in group) * len(attack.ODD) > 15_000

    def careless(x):
        return float(x)

    verdicts = {o.verdict for o in attack.attack(attack.Row("careless", careless, {"x": (1.0, "exactly this")}))}
    assert {"silent", "obscure"} <= verdicts

    def anonymous(x):
        attack.families.exponential_family.checks.fail(None, "x", x, "a number", "Pass one.")

    def mistaken(x):
        attack.families.exponential_family.checks.fail("mistaken", "X", x, "a number", "Pass one.")

    for call in (anonymous, mistaken):
        row = attack.Row(call.__name__, lambda x: x if x == 1 else call(x), {"x": (1.0, "exactly this")})
        assert "misnamed" in {o.verdict for o in attack.attack(row)}

    def hanging(x):
        while x is None:
            pass

    assert attack.judge(attack.Row("hanging", hanging, {"x": (1.0, "exactly this")}), "x", None, False)[0] == "slow"

    def warning(x):
        attack.np.float64(1e308) * 10
        raise attack.families.exponential_family.checks.fail("warning", "x", x, "a number", "Pass one.")

    assert attack.judge(attack.Row("warning", warning, {"x": (1.0, "exactly this")}), "x", None, False)[0] == "warned"
