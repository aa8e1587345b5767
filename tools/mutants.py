"""Change the package in many places and list the changes that no test notices.

    python tools/mutants.py                                         all modules (make mutants; a night)
    python tools/mutants.py companion/special/remainders.py         one of them
    python tools/mutants.py --endings 37 companion/families/*.py    the changes whose number ends in 3 or 7: a fifth
    python tools/mutants.py --sample 300 --seed 1                   300 changes drawn from those of all modules

mutmut makes the changes. They are tried here and not by mutmut, ten times faster: the tests are collected once; each
change meets them in a fork of its own, which runs the tests that pass through the changed function, quick ones first,
until one fails. Which tests these are is found once (`_build/mutants/passes.json`) and again for files of tests that
have changed. Decorated functions are changed too. Tests of the built book and chapters take no part.

Every survivor must be in `tests/mutants.md`, by its function and its change, with the reason why it is equivalent: exit
status 1 if one is not. Changes of nothing but the words of a message are counted and not tried, unless --words asks for
it: nobody's number depends on them, and tests/test_attack.py holds messages to their form.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import importlib
import json
import math
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import types
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PASSES = ROOT / "_build" / "mutants" / "passes.json"
EQUIVALENT = ROOT / "tests" / "mutants.md"
# Tests of anything but the package, and what needs more than `tests/requirements-mutants.txt` installs.
LEFT_OUT = "site* standalone* run_here* runtime wasm house new_family chapters notebooks printed_digits ledger".split()
LEFT_OUT += ["readme", "reading"]
OPTIONS = [
    "-q",
    "-s",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-o",
    "addopts=--doctest-modules --ignore=tests/explorers --ignore-glob=tests/make_*.py "
    + " ".join(f"--ignore-glob=tests/test_{name}.py" for name in LEFT_OUT),
]


@dataclass
class Change:
    """One change of one function: its code, its default values where these have changed, and how to call it."""

    module: str
    function: str
    number: int
    code: types.CodeType
    defaults: tuple[list[ast.expr], list[ast.expr | None]] | None
    removed: list[str]
    added: list[str]
    statement: str
    seconds: float = 0.0
    state: str = ""

    @property
    def text(self) -> str:
        """The change in one line: ``module.function: - old + new``."""
        sides = [*(f"- {line}" for line in self.removed), *(f"+ {line}" for line in self.added)]
        name = self.module.removeprefix("companion/").removesuffix(".py").replace("/", ".")
        return f"{name}.{self.function}: " + " ".join(sides)

    @property
    def is_message(self) -> bool:
        """Whether it changes nothing but words, or who is named, in a statement that refuses something."""
        own = re.escape(self.function.rpartition(".")[2])
        words = rf"""["'](?:XX)?{own}(?:XX)?["']|\bNone\b"""  # a function's name is there for messages
        if re.search(r"\braise\b|\b(?:where|fix) = |\bfail\(|\bchecks\.|\bwarn\(", self.statement):
            words = r"""[rf]*(["'])(?:(?!\1).)*\1|\b(?:None|where|name|fix)\b"""
        blank = [re.sub(words, "''", " ".join(side), flags=re.I) for side in (self.removed, self.added)]
        return blank[0] == blank[1]


# --- changes ----------------------------------------------------------------------------------------------------
def functions(tree: ast.AST) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions of a module and methods of its classes, by names with a dot."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from (
                (f"{node.name}.{child.name}", child) for child in node.body if isinstance(child, ast.FunctionDef)
            )


def without_decorators(source: str) -> str:
    """The source with blank lines for the decorators of functions: mutmut leaves decorated functions alone."""
    lines = source.split("\n")
    for _, node in functions(ast.parse(source)):
        for decorator in node.decorator_list:
            for number in range(decorator.lineno - 1, decorator.end_lineno or decorator.lineno):
                lines[number] = ""
    return "\n".join(lines)


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Code of functions and methods."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from codes(constant)


def statement_at(function: ast.FunctionDef, line: int, lines: list[str]) -> str:
    """The smallest statement with the line in it; of a compound one, its head."""
    found = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 0)]
    smallest = min(found, key=lambda n: (n.end_lineno or 0) - n.lineno)
    return "\n".join(lines[smallest.lineno - 1 : smallest.end_lineno])


@functools.cache
def parsed(module: str) -> tuple[Any, list[tuple[int, Any]]]:
    """The module as mutmut reads it, and what it can change there, each with its number in its function."""
    import libcst
    from mutmut.mutation.file_mutation import create_mutations

    tree, found, *_ = create_mutations(module, without_decorators((ROOT / module).read_text(encoding="utf-8")))
    within: dict[Any, list[Any]] = defaultdict(list)
    for mutation in found:
        if isinstance(mutation.contained_by_top_level_function, libcst.FunctionDef):
            within[mutation.contained_by_top_level_function].append(mutation)
    return tree, [pair for mutations in within.values() for pair in enumerate(mutations, start=1)]


def changes(module: str, chosen: Callable[[int, int], bool]) -> list[Change]:
    """What mutmut makes of a module, of that which is chosen by its place in the module and its number."""
    from mutmut.mutation.file_mutation import combine_mutations_to_source

    tree, every = parsed(module)
    kept = [pair for place, pair in enumerate(every) if chosen(place, pair[0])]
    mutated = combine_mutations_to_source(tree, [mutation for _, mutation in kept]).code
    numbers = (number for number, _ in kept)  # mutmut counts those kept
    compiled = {code.co_name: code for code in codes(compile(mutated, module, "exec"))}
    nodes = {node.name: node for _, node in functions(ast.parse(mutated))}
    lines = mutated.split("\n")
    found = []
    for name, node in nodes.items():
        parts = re.fullmatch(r"(x(?:_|ǁ).+)__mutmut_(\d+)", name)
        if not parts:
            continue
        original = nodes[f"{parts[1]}__mutmut_orig"]
        before, after = (
            [line.replace(n.name, "") for line in lines[n.lineno - 1 : n.end_lineno]] for n in (original, node)
        )
        first, last = 0, 0
        while first < min(len(before), len(after)) and before[first] == after[first]:
            first += 1
        while last < min(len(before), len(after)) - first and before[-1 - last] == after[-1 - last]:
            last += 1
        removed, added = ([line.strip() for line in side[first : len(side) - last]] for side in (before, after))
        same = ast.dump(original.args) == ast.dump(node.args)
        function = parts[1][1:].strip("ǁ").replace("ǁ", ".") if "ǁ" in parts[1] else parts[1][2:]
        found.append(
            Change(
                module,
                function,
                next(numbers),
                compiled[name],
                None if same else (node.args.defaults, node.args.kw_defaults),
                removed,
                added,
                statement_at(original, original.lineno + first, lines),
            )
        )
    return found


def plain(thing: Any) -> types.FunctionType | None:
    """The function below a property, a class method or a decorator."""
    while not isinstance(thing, types.FunctionType) or hasattr(thing, "__wrapped__"):
        for name in ("fget", "__func__", "func", "pyfunc", "__wrapped__"):
            if getattr(thing, name, None) is not None:
                thing = getattr(thing, name)
                break
        else:
            return None
    return thing


def apply(change: Change) -> bool:
    """Give the function its changed code: wherever it has been imported, whatever decorates it."""
    module = importlib.import_module(change.module.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    owner, _, name = change.function.rpartition(".")
    function = plain(vars(getattr(module, owner) if owner else module).get(name))
    if function is None or len(change.code.co_freevars) != len(function.__code__.co_freevars):
        return False
    function.__code__ = change.code.replace(co_name=name)
    if change.defaults:
        value: Callable[[ast.expr], Any] = lambda node: eval(ast.unparse(node), vars(module))
        function.__defaults__ = tuple(map(value, change.defaults[0]))
        names = list(function.__kwdefaults__ or {})
        given = [node for node in change.defaults[1] if node is not None]
        function.__kwdefaults__ = dict(zip(names, map(value, given)))
    return True


# --- tests ------------------------------------------------------------------------------------------------------
def in_fork(work: Callable[[], int], cpu: float) -> int:
    """Start a process that does it, silently and for so many seconds of its own time at the most; its id."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        if "MUTANTS_LOUD" not in os.environ:
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(cpu), math.ceil(cpu) + 2))
        code = work()
    finally:
        os._exit(code)


def status_of(wait: int) -> str:
    if os.WIFSIGNALED(wait):
        return "timeout" if os.WTERMSIG(wait) in (24, 9) else "killed"
    return {0: "survived", 1: "killed", 71: "not applied"}.get(os.WEXITSTATUS(wait), "killed")


class Trial:
    """A pytest session that collects, finds which test passes through which function, and tries changes."""

    def __init__(
        self,
        modules: list[str],
        make: Callable[[str], list[Change]],
        tell: Callable[[str, list[Change]], None],
        children: int,
        budget: float,
        slow: bool,
        words: bool,
    ):
        self.modules, self.make, self.tell = modules, make, tell
        self.children, self.budget, self.slow, self.words = children, budget, slow, words
        self.stop_at_failure = False
        self.failed = False
        self.codes: set[types.CodeType] = set()
        self.of_fixture: dict[int, set[types.CodeType]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self.slow or not item.get_closest_marker("slow")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        """Leave at once, before the failure is described."""
        if self.stop_at_failure and call.excinfo and not item.get_closest_marker("xfail"):
            if not call.excinfo.errisinstance(pytest.skip.Exception):
                os._exit(1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """What a fixture of several tests passes through belongs to each of them."""
        before, self.codes = self.codes, set()
        try:
            return (yield)
        finally:
            self.of_fixture[id(fixturedef)] = self.codes
            self.codes = before | self.codes

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} errors while the tests were collected")
        self.temporary = tempfile.mkdtemp(prefix="mutants-")
        try:
            passes = self.passes(session)
            self.try_all(session, passes)
        finally:
            shutil.rmtree(self.temporary, ignore_errors=True)
        return True

    def run(self, items: list[pytest.Item], folder: str) -> Iterator[pytest.Item]:
        """Run the items one after the other, with a temporary folder of its own."""
        config: Any = items[0].config
        config._tmp_path_factory._basetemp = Path(folder)
        for item, following in zip(items, [*items[1:], None]):
            self.failed = False
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield item

    # --- which test passes through which function ---
    def passes(self, session: pytest.Session) -> dict[str, dict[str, Any]]:
        known = json.loads(PASSES.read_text(encoding="utf-8")) if PASSES.exists() else {}
        digests = {path: zlib.crc32(path.read_bytes()) for path in {item.path for item in session.items}}
        key = lambda item: f"{item.nodeid} {digests[item.path]}" if item.path.parent.name == "tests" else item.nodeid
        new = [item for item in session.items if key(item) not in known]
        if new:
            print(f"{len(new)} tests are new: finding what they pass through", flush=True)
            answer = Path(self.temporary, "passes.json")
            folder = tempfile.mkdtemp(dir=self.temporary)
            os.waitpid(in_fork(lambda: self.find(new, folder, answer), 3600), 0)
            found = json.loads(answer.read_text(encoding="utf-8"))
            known |= {key(item): found[item.nodeid] for item in new}
            PASSES.parent.mkdir(parents=True, exist_ok=True)
            PASSES.write_text(json.dumps(known), encoding="utf-8")
        wrong = [item.nodeid for item in new if known[key(item)]["failed"]]
        if wrong:
            print(f"{len(wrong)} tests fail without any change and are left out:", *wrong[:20], sep="\n  ")
        return {item.nodeid: known[key(item)] for item in session.items if not known[key(item)]["failed"]}

    def find(self, items: list[pytest.Item], folder: str, answer: Path) -> int:
        def look(frame: types.FrameType, *_: object) -> None:  # once for each call: it asks for no other event
            self.codes.add(frame.f_code)

        found, package = {}, str(ROOT / "companion") + os.sep
        running = self.run(items, folder)
        file: Any = None
        for item in items:
            if item.path != file:  # what an earlier file's tests have left in a cache must be computed again
                file = item.path
                for name, module in list(sys.modules.items()):
                    if name.split(".")[0] == "companion":
                        for value in list(vars(module).values()):
                            if isinstance(value, functools._lru_cache_wrapper):
                                value.cache_clear()
            self.codes = set()
            began = time.process_time()
            sys.settrace(look)
            next(running)
            sys.settrace(None)
            seconds = time.process_time() - began
            info: Any = getattr(item, "_fixtureinfo", None)
            shared = [d for ds in info.name2fixturedefs.values() for d in ds] if info else []
            seen = self.codes.union(*(self.of_fixture.get(id(d), set()) for d in shared))
            names = {
                f"{code.co_filename.removeprefix(package)}:{code.co_qualname.split('.<locals>')[0]}"
                for code in seen
                if code.co_filename.startswith(package)
            }
            found[item.nodeid] = {"functions": sorted(names), "seconds": round(seconds, 4), "failed": self.failed}
        answer.write_text(json.dumps(found), encoding="utf-8")
        return 0

    # --- changes ---
    def first_of(self, items: list[pytest.Item], seconds: Callable[[pytest.Item], float]) -> list[pytest.Item]:
        """As many as the budget has room for: a twentieth of a second of each function of tests, then of each another
        one, quick tests first."""
        spent: dict[tuple[Path, str], float] = defaultdict(float)
        order: list[tuple[int, str, int, pytest.Item]] = []
        for item in sorted(items, key=seconds):
            kind = (item.path, getattr(item, "originalname", item.name))
            order.append((int(20 * spent[kind]), str(item.path), len(order), item))
            spent[kind] += seconds(item)
        kept: list[pytest.Item] = []
        total = 0.0
        for *_, item in sorted(order, key=lambda row: row[:-1]):
            total += seconds(item)
            if kept and total > self.budget:
                break
            kept.append(item)
        return kept

    def try_all(self, session: pytest.Session, passes: dict[str, dict[str, Any]]) -> None:
        through: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in session.items:
            for function in passes.get(item.nodeid, {"functions": []})["functions"]:
                through[function].append(item)
        seconds = lambda item: passes[item.nodeid]["seconds"]
        running: dict[int, tuple[Change, str]] = {}

        def wait_for_one() -> None:
            process, status, used = os.wait3(0)
            change, folder = running.pop(process)
            change.state, change.seconds = status_of(status), used.ru_utime + used.ru_stime
            shutil.rmtree(folder, ignore_errors=True)
            if change.state != "killed":
                print(f"  {change.state}: {change.text} [{change.number}, {change.seconds:.1f} s]", flush=True)

        def work(change: Change, items: list[pytest.Item], folder: str) -> int:
            self.stop_at_failure = True
            if not apply(change):
                return 71
            for _ in self.run(items, folder):
                pass
            return 0

        for module in self.modules:
            made = self.make(module)
            gc.collect()
            gc.freeze()  # collections in a fork would copy all that it shares with this process
            for change in made:
                if change.is_message and not self.words:
                    change.state = "words"
                    continue
                items = through[f"{change.module.removeprefix('companion/')}:{change.function}"]
                if not items:
                    change.state = "no tests"
                    continue
                kept = self.first_of(items, seconds)
                folder = tempfile.mkdtemp(dir=self.temporary)
                limit = 10 + 5 * sum(map(seconds, kept))
                running[in_fork(lambda: work(change, kept, folder), limit)] = (change, folder)
                if len(running) >= self.children:
                    wait_for_one()
            while running:
                wait_for_one()
            self.tell(module, made)


def known() -> set[str]:
    """Changes that `tests/mutants.md` explains: the code spans at the beginning of its items."""
    return set(re.findall(r"^- ``(.+?)``", EQUIVALENT.read_text(encoding="utf-8"), re.M))


def drawn(modules: list[str], size: int, seed: int) -> dict[str, list[Change]]:
    """So many changes of all modules together, each as likely as any other; drawn ones of mere words are dropped."""
    places = [(module, place) for module in modules for place in range(len(parsed(module)[1]))]
    random.Random(seed).shuffle(places)
    chosen: dict[str, list[Change]] = defaultdict(list)
    taken = found = 0
    while found < size and taken < len(places):
        some, taken = places[taken : taken + size - found], min(len(places), taken + size - found)
        for module in sorted({module for module, _ in some}):
            own = {place for at, place in some if at == module}
            new = [change for change in changes(module, lambda place, _: place in own) if not change.is_message]
            if new:
                chosen[module] += new
                found += len(new)
    words = f"{taken - found} more were of mere words"
    print(f"{found} changes drawn of {len(places)} in {len(modules)} modules; {words}", flush=True)
    return chosen


def interval(killed: int, tried: int) -> str:
    """The share killed, with Wilson's 95 % interval.

    >>> print(interval(223, 234), interval(0, 10), sep="; ")  # 0 of n: to z²/(n + z²)
    223 of 234: 95.3% (91.8% to 97.4%); 0 of 10: 0.0% (0.0% to 27.8%)
    """
    z, share = 1.96, killed / tried
    centre, width = share + z * z / (2 * tried), z * math.sqrt(share * (1 - share) / tried + (z / (2 * tried)) ** 2)
    low, high = (max(0.0, (centre + sign * width) / (1 + z * z / tried)) for sign in (-1, 1))
    return f"{killed} of {tried}: {share:.1%} ({low:.1%} to {high:.1%})"


def main(given: argparse.Namespace) -> int:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ["OMP_NUM_THREADS"] = "1"
    modules = given.modules or sorted(str(path.relative_to(ROOT)) for path in (ROOT / "companion").rglob("[a-z]*.py"))
    explained, began = known(), time.monotonic()
    missed: list[Change] = []
    killed = 0

    def all_of(module: str) -> list[Change]:
        ending: Callable[[int, int], bool] = lambda _, number: not given.endings or str(number)[-1] in given.endings
        return [change for change in changes(module, ending) if re.search(given.only, change.text)]

    make: Callable[[str], list[Change]] = all_of
    if given.sample:
        chosen = drawn(modules, given.sample, given.seed)
        modules, make = list(chosen), chosen.__getitem__

    def tell(module: str, made: list[Change]) -> None:
        nonlocal killed
        counts = Counter(change.state for change in made)
        alive = [change for change in made if change.state not in ("killed", "words")]
        same = [change for change in alive if change.text in explained]
        open_ones = [change for change in alive if change not in same]
        score = 100 * counts["killed"] / max(1, counts["killed"] + len(open_ones))
        counted = f"{len(made)} changes, {dict(counts)}, {len(same)} explained"
        print(f"{module}: {counted}; score {score:.1f} % without these [{time.monotonic() - began:.0f} s]")
        for change in open_ones:
            print(f"- ``{change.text}`` [{change.number}, {change.state}, {change.seconds:.1f} s]")
        sys.stdout.flush()
        missed.extend(open_ones)
        killed += counts["killed"]

    trial = Trial(modules, make, tell, given.children, given.budget, given.slow, given.words)
    code = pytest.main([*OPTIONS, "tests", "companion"], plugins=[trial])
    if killed or missed:
        print("killed, without those explained:", interval(killed, killed + len(missed)))
    return int(code) or bool(missed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    help_of_endings = "only changes whose number ends in one of these"
    parser.add_argument("--endings", default="", metavar="DIGITS", help=help_of_endings)
    parser.add_argument("--only", default="", metavar="PATTERN", help="only changes whose text has this in it")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="how many at the same time")
    parser.add_argument("--budget", type=float, default=30.0, metavar="SECONDS", help="of tests for each change")
    parser.add_argument("--slow", action="store_true", help="with the tests marked slow")
    parser.add_argument("--words", action="store_true", help="with changes of nothing but the words of a message")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only so many changes, drawn from all")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    if options.sample and (options.only or options.endings):
        parser.error("--sample draws from all changes of the modules: leave --only and --endings away")
    sys.exit(main(options))
