"""The page "Which KL is this?": its table is complete and consistent, and its identities hold for random inputs."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import log_softmax, softmax

from companion import cross_entropy, entropy, kl_divergence, log_likelihood
from companion.families import Normal
from conftest import ROOT

CELLS = json.loads((ROOT / "book" / "which-kl.ipynb").read_text(encoding="utf-8"))["cells"]
PAGE = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| {ref}")
]
ENTRIES = dict(re.findall(r"^\((which-[\w-]+)\)=\n### (.*?)(?=^\(which-|^## |\Z)", PAGE, re.M | re.S))
each_row = pytest.mark.parametrize("row", ROWS, ids=[re.search(r"`(.*?) <", row[0])[1] for row in ROWS])
each_seed = pytest.mark.parametrize("seed", range(20))


# --- the table ----------------------------------------------------------------------------------------------------
def by_the_rule(pair, first, second):
    """The verdict that the three questions at the top of the page give, in their order, from the columns of a row."""
    if "changed" not in first + second:  # 1. Is anything changed?
        return "likelihood, weighted, not maximised" if "weighted" in second else "no, a measurement"
    if re.search(r"\$, (with|as) ", pair):  # 2. Is this KL minimised alone?
        return "no, a part"
    if first.startswith("data completed") and second.startswith("model"):  # 3. What is A?
        return "a bound"
    if "changed" in first:
        return "no"
    return {"data": "yes", "made": "of made data"}[re.match("data|made", first)[0]]


@each_row
def test_row_has_every_column_and_the_direction_follows_from_what_is_changed(row):
    assert len(row) == 6 and all(row)
    name, pair, first, second, direction, _ = row
    assert "mathrm{KL}" in pair and pair.count(r"\Vert") >= 1
    assert re.fullmatch(r"\$[^$]+\$(, (with|as) .+)?", pair)
    direction, _, needs = direction.partition(": ")
    assert needs
    changed = tuple("changed" in side or "weighted" in side for side in (first, second))
    assert (
        direction
        == {(False, True): "forward", (True, False): "reverse", (True, True): "both", (False, False): "none"}[changed]
    )
    for side in (first, second):
        assert re.search("changed|weighted|fixed|^data|^made", side), f"{name}: say where {side} comes from"


@each_row
def test_verdict_follows_from_the_three_questions(row):
    _, pair, first, second, _, verdict = (cell.replace("*", "") for cell in row)
    answer = by_the_rule(pair, first, second)
    remarks = {"no, near it", "no, its dual is"} if answer == "no" else set()  # said in addition, not instead
    assert verdict in {answer} | remarks


FIXED, BASE = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
FREE = lambda t: softmax([t, 0.4, -t])
PAIR = lambda a, b: np.stack([a * b, a * (1 - b)])  # x, then z given x
Z = np.array([0.7, 0.4, 0.1])
#: A(t) and B(t) of the smallest problem of each kind, t being what is changed: written from the sources, not the page.
PROBLEMS = {
    "mle": (lambda t: FIXED, FREE),
    "classification": (lambda t: FIXED, lambda t: softmax(t * np.array([1.0, 0.0, 2.0]))),
    "flow": (lambda t: FIXED, lambda t: np.diff(stats.norm.cdf([-9, -1 - t, 1 - t, 9]))),
    "dpo": (lambda t: np.array([0.8, 0.2]), lambda t: np.array([1, np.exp(-t)]) / (1 + np.exp(-t))),
    "temperature": (lambda t: FIXED, lambda t: softmax(np.array([2.0, 1.0, 0.0]) / (1 + t))),
    "bayes": (lambda t: FIXED, FREE),
    "contrastive": (lambda t: 0.5 * FIXED + 0.5 * FREE(t), FREE),
    "smoothing": (lambda t: 0.9 * np.array([1.0, 0, 0]) + 0.1 / 3, FREE),
    "distillation": (lambda t: softmax([2.0, 1.0, 0.5]), FREE),
    "nce": (lambda t: np.array([0.5, 0.5]), lambda t: np.array([1, np.exp(-t)]) / (1 + np.exp(-t))),
    "simulation": (lambda t: FIXED, FREE),
    "ep": (lambda t: FIXED * BASE / (FIXED @ BASE), FREE),
    "tsne": (lambda t: FIXED, lambda t: np.array([1 / (1 + t**2), 1 / (1 + 4 * t**2), 0.5])),
    "em": (FREE, lambda t: FIXED),
    "vi": (FREE, lambda t: FIXED),
    "vae": (FREE, lambda t: BASE),
    "diffusion": (lambda t: PAIR(FIXED, Z), lambda t: PAIR(FREE(t), Z)),
    "rl": (FREE, lambda t: BASE),
    "trust": (lambda t: FIXED, FREE),
    "gan": (FREE, lambda t: (FREE(t) + FIXED) / 2),
    "maxent": (FREE, lambda t: BASE),
    "information": (lambda t: PAIR(FIXED, Z).ravel(), lambda t: np.outer([0.49, 0.51], FIXED).ravel()),
    "drift": (lambda t: FIXED, lambda t: BASE),
}


@each_row
def test_what_is_changed_changes_and_only_then_the_entropy_counts(row):
    """Slopes of A, of B and of H(A) in the smallest problem of the row: a verdict of likelihood needs A to be still."""
    label, verdict = re.search(r"<which-([\w-]+)>`", row[0])[1], row[5].replace("*", "")
    first, second = PROBLEMS[label]
    t, h = 0.3, 1e-3
    moves = [not np.allclose(side(t), side(t + h), rtol=0, atol=1e-7) for side in (first, second)]
    heard = abs(entropy(first(t).ravel()) - entropy(first(t + h).ravel())) > 1e-7
    likelihood = verdict in ("yes", "of made data", "likelihood, weighted, not maximised")
    if likelihood:
        assert moves == [False, True] and not heard
    if verdict == "no, a measurement":
        assert label == "information" or moves == [False, False]
    if verdict in ("no", "no, its dual is") and label != "em":
        assert moves[0] and heard


def test_the_rule_on_the_page_has_the_words_of_the_table():
    """Each bold answer of the rule is the verdict of some row, and each verdict is an answer of the rule."""
    head = PAGE[PAGE.index("ask three questions") : PAGE.index(":::{prf:proposition}")]
    bold = re.findall(r"\*\*(.+?)\*\*", head)
    assert sum(words.endswith("?") for words in bold) == 3
    answers = {by_the_rule(*(cell.replace("*", "") for cell in row[1:4])) for row in ROWS}
    assert answers == {words.lower() for words in bold if not words.endswith("?")}


@each_row
def test_row_leads_to_an_entry_with_a_source_and_a_check(row):
    label = re.search(r"<(which-[\w-]+)>`", row[0])[1]
    entry = ENTRIES[label]
    assert "{cite:" in entry
    position = next(i for i, cell in enumerate(CELLS) if f"({label})=" in "".join(cell["source"]))
    check = CELLS[position + 1]
    assert check["cell_type"] == "code" and f"which-{check['id']}" == label
    assert "✓" in "".join("".join(output.get("text", "")) for output in check["outputs"])


def test_every_entry_has_a_row_and_leads_into_the_book():
    linked = {re.search(r"<(which-[\w-]+)>`", row[0])[1] for row in ROWS}
    assert linked == set(ENTRIES)
    for label, entry in ENTRIES.items():
        targets = re.findall(r"\{(?:doc|eq|prf:ref|numref)\}`([\w-]+)`", entry)
        elsewhere = [target for target in targets if f"({target})" not in PAGE and f":label: {target}" not in PAGE]
        assert elsewhere, label


# --- its identities -----------------------------------------------------------------------------------------------
@each_seed
def test_nll_of_labels_is_entropy_plus_kl_at_each_input(seed):
    """Labels written out one by one and scored by scipy's softmax, against the table of frequencies."""
    rng = np.random.default_rng(seed)
    inputs, classes = rng.integers(2, 6), rng.integers(2, 5)
    x, y = rng.integers(inputs, size=60), rng.integers(classes, size=60)
    logits = rng.normal(size=(inputs, classes))
    by_label = -np.mean([np.log(softmax(logits[i])[k]) for i, k in zip(x, y)])
    expected = 0.0
    for i in np.unique(x):
        share = np.bincount(y[x == i], minlength=classes) / np.sum(x == i)
        expected += np.mean(x == i) * (entropy(share) + kl_divergence(share, softmax(logits[i])))
    np.testing.assert_allclose(expected, by_label, rtol=1e-12)


@each_seed
def test_squared_error_is_the_nll_of_a_normal(seed):
    rng = np.random.default_rng(seed)
    x, sd = rng.normal(size=30), rng.uniform(0.5, 2)
    y = 1.5 * x + rng.normal(size=30)
    slopes = rng.normal(size=8)
    nll = [-sum(Normal(slope * a, sd).log_prob(b) for a, b in zip(x, y)) for slope in slopes]
    squares = [np.sum((y - slope * x) ** 2) / (2 * sd**2) for slope in slopes]
    np.testing.assert_allclose(np.subtract(nll, squares), 30 * np.log(sd * np.sqrt(2 * np.pi)), rtol=1e-10)
    fitted = optimize.minimize_scalar(
        lambda s: -sum(Normal(s * a, sd).log_prob(b) for a, b in zip(x, y)), bracket=(0, 3)
    ).x
    np.testing.assert_allclose(fitted, (x @ y) / (x @ x), rtol=1e-6)


@each_seed
def test_only_a_fixed_first_argument_leaves_the_entropy_out(seed):
    """Forward: KL and cross-entropy rank models alike. Reverse: they do not, and cross-entropy alone wants a point."""
    rng = np.random.default_rng(seed)
    fixed, candidates = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5), size=300)
    np.testing.assert_array_equal(
        np.argsort(cross_entropy(fixed, candidates)), np.argsort(kl_divergence(fixed, candidates))
    )
    np.testing.assert_allclose(
        kl_divergence(fixed, candidates), np.sum(fixed * np.log(fixed / candidates), axis=1), rtol=1e-10
    )
    best = optimize.minimize(
        lambda z: cross_entropy(softmax(z), fixed), np.log(fixed), method="Nelder-Mead", options={"maxiter": 4000}
    ).x
    assert softmax(best)[np.argmax(fixed)] > 0.99
    np.testing.assert_allclose(
        kl_divergence(candidates, fixed),
        cross_entropy(candidates, fixed) - stats.entropy(candidates, axis=1),
        rtol=1e-9,
    )


@each_seed
def test_joint_kl_is_kl_of_the_data_plus_kl_to_the_posterior(seed):
    rng = np.random.default_rng(seed)
    data, model, encoder = (
        rng.dirichlet(np.ones(4)),
        rng.dirichlet(np.ones(12)).reshape(4, 3),
        rng.dirichlet(np.ones(3), size=4),
    )
    by_sum = sum(
        data[i] * encoder[i, k] * np.log(data[i] * encoder[i, k] / model[i, k]) for i in range(4) for k in range(3)
    )
    evidence = model.sum(axis=1)
    parts = kl_divergence(data, evidence) + data @ kl_divergence(encoder, model / evidence[:, None])
    np.testing.assert_allclose(parts, by_sum, rtol=1e-10)
    assert kl_divergence(data, evidence) <= by_sum


@each_seed
def test_best_policy_under_a_kl_penalty(seed):
    rng = np.random.default_rng(seed)
    reference, reward, beta = rng.dirichlet(np.ones(5)), rng.normal(size=5), rng.uniform(0.3, 3)
    objective = lambda z: softmax(z) @ reward - beta * np.sum(softmax(z) * (log_softmax(z) - np.log(reference)))
    found = optimize.minimize(lambda z: -objective(z), np.zeros(5), options={"gtol": 1e-9})
    best = reference * np.exp(reward / beta)
    np.testing.assert_allclose(softmax(found.x), best / best.sum(), atol=1e-5)
    np.testing.assert_allclose(-found.fun, beta * np.log(best.sum()), rtol=1e-9)
    policy = rng.dirichlet(np.ones(5))
    value = policy @ reward - beta * kl_divergence(policy, reference)
    np.testing.assert_allclose(
        value, beta * np.log(best.sum()) - beta * kl_divergence(policy, best / best.sum()), rtol=1e-9, atol=1e-12
    )


@each_seed
def test_smallest_kl_under_a_moment_constraint_is_the_largest_log_likelihood(seed):
    """Primal by a constrained search over p, dual as the likelihood of data with that mean."""
    rng = np.random.default_rng(seed)
    u, start = np.arange(5.0), rng.dirichlet(2 * np.ones(5))
    x = rng.integers(5, size=40)
    goal = x.mean()
    constraints = [{"type": "eq", "fun": lambda p: p.sum() - 1}, {"type": "eq", "fun": lambda p: p @ u - goal}]
    primal = optimize.minimize(
        lambda p: np.sum(p * np.log(p / start)),
        start,
        method="SLSQP",
        bounds=[(1e-9, 1)] * 5,
        constraints=constraints,
        options={"ftol": 1e-14, "maxiter": 500},
    ).x
    member = lambda eta: stats.rv_discrete(values=(u, softmax(eta * u + np.log(start))))
    relative = lambda eta: (log_likelihood(member(eta)(), x) - np.sum(np.log(start[x]))) / x.size
    dual = optimize.minimize_scalar(
        lambda eta: -relative(eta), bounds=(-10, 10), method="bounded", options={"xatol": 1e-9}
    )
    np.testing.assert_allclose(kl_divergence(primal / primal.sum(), start), -dual.fun, atol=1e-6)


@each_seed
def test_the_update_of_contrastive_divergence_is_the_slope_with_p_1_held(seed):
    """E_emp[u] − E_{p_1}[u], against differences of KL(p_emp‖p_η) − KL(p_1‖p_η) with p_1 held, and with p_1 moving."""
    rng, u, eta, h = np.random.default_rng(seed), np.arange(6.0), 0.3, 1e-5
    data = rng.dirichlet(np.ones(6))

    def moved_by(eta):
        model = softmax(eta * u)
        chain = np.minimum(1, model / model[:, None]) / 6  # Metropolis, uniform proposals: p_η stays
        chain += np.diag(1 - chain.sum(axis=1))
        np.testing.assert_allclose(model @ chain, model, rtol=1e-12)
        return data @ chain

    def contrast(eta, moved):
        return sum(np.sum(sign * p * np.log(p / softmax(eta * u))) for sign, p in ((1, data), (-1, moved)))

    held = moved_by(eta)
    slope = [(contrast(eta + h, held) - contrast(eta - h, held)) / (2 * h)]
    slope += [(contrast(eta + h, moved_by(eta + h)) - contrast(eta - h, moved_by(eta - h))) / (2 * h)]
    update = (data - held) @ u
    np.testing.assert_allclose(slope[0], -update, rtol=1e-6)
    assert abs(slope[1] + update) > 1e-3
