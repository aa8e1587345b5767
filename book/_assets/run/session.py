"""A page's Python: each cell runs as if the page had been run from its top to there.

Cells of a chapter use short names again and again. A cell that is run a second time must not find what cells below it
made of them: it gets what the cells above it bound, and generators in the state in which those left them. Claims that
break are told, and the cell goes on.
"""

import collections
import dis
import functools
import json
import operator
import sys
import time
import traceback

import harness
import needs

MOST = 10_000  # characters of text that a page shows of one cell
PIECES = 200  # of each other kind of output
REST = "\n… the rest is not shown\n"
GONE = object()  # in place of the value of a name that a cell deleted
_bound, _states, _first = {}, {}, {}  # by cell: the names it bound, the states of generators after it; names of no cell
_modules, _patched = [], {}  # modules and the functions and classes they had; by cell: what it put in their place
_standing = {}  # of all that: what stands there now
_run = None


def prepare():
    """Import what nearly every chapter needs; claims do not stop a cell from now on."""
    harness.start()
    _first.update(vars(sys.modules["__main__"]))
    import figures  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import scipy.stats  # noqa: F401

    from companion.lesson import claims

    for name, value in list(vars(claims).items()):
        if not name.startswith("_") and getattr(value, "__module__", "") == claims.__name__:
            setattr(claims, name, _going_on(value))
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("builtins", "companion", "math", "numpy", "random", "scipy"):
            _modules.append((module, {key: value for key, value in vars(module).items() if callable(value)}))


def forget():
    _bound.clear()
    _patched.clear()
    _states.clear()


def needed(above, own):
    """The JSON of which cells above a check must run, by their places, or of None: all of them."""
    return json.dumps(needs.needed(list(above), list(own)))


async def run(cell, name, code, chain, emit):
    """Run a cell after the cells of `chain`; the JSON of what stopped it, or of None."""
    global _run
    _run = _Run(emit)
    before = _begin(list(chain))
    await harness.run_cell(code, _run.tell, name)
    _end(cell, before)
    _run.flush()
    if _run.stopped:
        _run.stopped["makes"] = sorted(_made_by(code))
    return json.dumps(_run.stopped)


class _Run:
    """The way of a cell's output to the page: text ten times a second at most, whatever a loop prints."""

    def __init__(self, emit):
        self.emit, self.stopped = emit, None
        self.waiting, self.sent, self.last = [], 0, time.monotonic()
        self.pieces = collections.Counter()

    def tell(self, kind, data):
        if kind in ("stdout", "stderr"):
            self.waiting.append(data)
            if time.monotonic() - self.last > 0.1:
                self.flush()
            return
        self.flush()
        if kind == "error":
            error = sys.exception()
            missing = error.name if isinstance(error, NameError) else None
            message = getattr(error, "msg", None) or str(error) or _line(error)
            self.stopped = {
                "kind": type(error).__name__,
                "message": _short(message),
                "trace": _short(data),
                "missing": missing,
            }
            return
        self.pieces[kind] += 1  # each kind by itself: many tables must not hide that a claim broke
        if self.pieces[kind] <= PIECES:
            self.emit(kind, _pictures(data) if kind == "svg" else data if kind == "html" else _short(data))
        elif self.pieces[kind] == PIECES + 1:
            self.emit("stream", REST)

    def flush(self):
        text, self.waiting, self.last = "".join(self.waiting), [], time.monotonic()
        if text and self.sent <= MOST:
            self.sent += len(text)
            self.emit("stream", text if self.sent <= MOST else text[: MOST - self.sent] + REST)


def _patches():
    """What stands in place of functions and classes of modules. There are thousands: those in place cost no loop."""
    found = {}
    for place, (module, first) in enumerate(_modules):
        names = vars(module)
        if not all(map(operator.is_, map(names.get, first), first.values())):
            now = {key: names.get(key, GONE) for key in first}
            found.update(((place, key), value) for key, value in now.items() if value is not first[key])
    return found


def _put(place, key, value):
    if value is not GONE:
        setattr(_modules[place][0], key, value)
    elif key in vars(_modules[place][0]):
        delattr(_modules[place][0], key)


def _begin(chain):
    for place, key in _standing:
        _put(place, key, _modules[place][1][key])
    _standing.clear()
    for cell in chain:
        _standing.update(_patched.get(cell, {}))
    for (place, key), value in _standing.items():
        _put(place, key, value)
    names = vars(sys.modules["__main__"])  # one object for good: functions of cells keep it as their globals
    names.clear()
    names.update(_first)
    for cell in chain:
        names.update(_bound.get(cell, {}))
        for name in [name for name, value in names.items() if value is GONE]:
            del names[name]
    for generator, state in next((_states[cell] for cell in reversed(chain) if cell in _states), []):
        generator.bit_generator.state = state
    return dict(names)


def _end(cell, before):
    patches = _patches()
    _patched[cell] = {key: value for key, value in patches.items() if _standing.get(key) is not value}
    _patched[cell].update({(place, key): _modules[place][1][key] for place, key in _standing.keys() - patches.keys()})
    _standing.clear()
    _standing.update(patches)
    names, random = vars(sys.modules["__main__"]), sys.modules.get("numpy.random")
    _bound[cell] = {key: value for key, value in names.items() if key not in before or before[key] is not value}
    _bound[cell].update(dict.fromkeys(before.keys() - names.keys(), GONE))
    generators = [value for value in names.values() if random and isinstance(value, random.Generator)]
    _states[cell] = [(generator, generator.bit_generator.state) for generator in generators]


def _short(text):
    return text if len(text) <= MOST else text[:MOST] + REST


def _line(error):
    """Where an error without words was raised, for the assert statements that readers write."""
    steps = [step for step in traceback.extract_tb(error.__traceback__) if step.filename.startswith(harness.CELL)]
    return f"line {steps[-1].lineno}: {steps[-1].line}" if steps else ""


def _made_by(code):
    """Names that a cell would have bound."""
    try:
        steps = dis.get_instructions(compile(code, "<cell>", "exec"))
    except SyntaxError:
        return set()
    return {step.argval for step in steps if step.opname in ("STORE_NAME", "STORE_GLOBAL")}


def _pictures(text):
    """The versions of a drawing that the site has of a stored one: wide and narrow, light and dark."""
    if 'id="figure_1"' not in text:
        return json.dumps([["", None, text, text]])
    import figures

    made = figures.versions(text)
    return json.dumps([[ending, size, light, figures.in_the_dark(light)] for ending, size, light in made])


def _going_on(claim):
    @functools.wraps(claim)
    def told(*arguments, **options):
        try:
            return claim(*arguments, **options)
        except AssertionError as error:
            sys.stdout.flush()
            _run.tell("broken", str(error))

    return told
