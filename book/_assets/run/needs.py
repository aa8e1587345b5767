"""Which cells above a check have to run for it: those that can touch what its names stand for.

The page asks only while the cells above are as printed; with any of them edited, or a doubt here, all of them run. A
name that an import or a plain function gives needs the cells that bind it. Any other stands for a value that whoever
mentions it may change (a list, a generator of random numbers): it needs every cell that mentions it, from the top to
where it is read; a function looks its names up when it is called.
"""

import ast
import builtins
import dis
import functools
import types

BUILTIN = set(vars(builtins)) - set("__import__ compile delattr eval exec globals locals setattr vars".split())
LOADS, STORES = {"LOAD_NAME", "LOAD_GLOBAL"}, {"STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"}
HIDDEN = set(vars(builtins)) - BUILTIN | set("__builtins__ builtins get_ipython gc importlib sys warnings".split())
STATE = {"rcParams", "seed", "seterr", "seterrcall", "set_printoptions", "set_state", "modules", "environ", "__dict__"}
DRAWS = {"Generator", "SeedSequence", "default_rng"}  # of numpy.random; all else there has one state for everybody
DEFINES = (ast.FunctionDef, ast.Import, ast.ImportFrom)
PLAIN = (*DEFINES, ast.Assign, ast.ClassDef)


class Doubt(Exception):
    """Only a run of all cells will do."""


def needed(above, own):
    """Indices of the cells of `above` that must run before the pieces of code `own`; None if all must."""
    try:
        looks, ours = [_look(code) for code in above], Look("\n".join(own))
    except (SyntaxError, Doubt):
        return None
    pure = {name for look in looks for name in look.pure} - {name for look in looks for name in look.values}
    pure |= BUILTIN - {name for look in looks for name in look.binds}
    while bad := {name for look in looks for name in look.pure if look.pure[name] - pure} & pure:
        pure -= bad
    limits, found, before = {}, set(), None  # of each name: the cells below that index make what it stands for

    def want(names, limit):
        limits.update((name, limit) for name in names if limits.get(name, -1) < limit)

    want(ours.reads | (ours.late - ours.sure), len(above))
    while limits != before:
        before = dict(limits)
        for index, look in enumerate(looks):
            names = {name for name, limit in limits.items() if index < limit}
            touched = names & (look.binds | look.alters) | (names - pure) & look.mentions
            if touched:
                found.add(index)
                want(look.reads | look.late, index)
            for name in touched:
                want(look.with_it.get(name, ()), limits[name])
                if name not in pure:  # who calls a function that has it may change it
                    want((each for each, its in look.with_it.items() if name in its), limits[name])
    return sorted(found)


class Look:
    """What a piece of code does with names of the page: `reads` before it binds them; `late`, what its functions read
    when they are called; `sure`, what it binds whatever happens; `binds`, perhaps; `mentions`; of `pure`, functions and
    imports, the names that each reads; `alters`, whose attributes or items it sets; `with_it`, by name, what its
    functions read whenever they are called, and other names of the same object."""

    def __init__(self, code):
        tree = ast.parse(code)
        self.reads, self.late, self.sure, self.binds, self.mentions = set(), set(), set(), set(), set()
        self.values, self.alters, self.pure, self.with_it = set(), set(), {}, {}
        for step in tree.body:
            compiled = compile(ast.Module([step], []), "<cell>", "exec")
            loads, stores = _names(compiled, LOADS), _names(compiled, STORES)
            late = set().union(*(_names(part, LOADS | STORES) for part in _inner(compiled)))
            self.late |= late
            defines = isinstance(step, DEFINES) and not getattr(step, "decorator_list", ())  # and so calls nothing
            read = _names(compiled, LOADS, inner=False)
            self.reads |= (read if defines else read | self.late) - self.sure
            if isinstance(step, PLAIN):
                self.sure |= stores
            elif isinstance(step, ast.AugAssign):
                self.reads |= stores - self.sure
            self.binds |= stores
            self.mentions |= loads | stores
            self._kinds(step, stores, loads)
            same = _same(step.value) if isinstance(step, ast.Assign) else set()
            for name in stores | same:
                self.with_it.setdefault(name, set()).update(late | stores | same if same else late)
        for node in ast.walk(tree):
            self._doubts(node)

    def _kinds(self, step, stores, loads):
        if isinstance(step, (ast.Import, ast.ImportFrom)):
            self.pure.update((name, set()) for name in stores)
        elif isinstance(step, ast.FunctionDef) and all(isinstance(each, ast.Constant) for each in step.args.defaults):
            self.pure[step.name] = self.pure.get(step.name, set()) | loads
        else:
            self.values |= stores

    def _doubts(self, node):
        if isinstance(node, ast.alias) and (node.name == "*" or node.name.split(".")[0] in HIDDEN):
            raise Doubt
        if isinstance(node, ast.Name) and node.id in HIDDEN:
            raise Doubt
        if isinstance(node, ast.Attribute) and node.attr in STATE:
            raise Doubt
        if isinstance(node, ast.Attribute) and getattr(node.value, "attr", "") == "random" and node.attr not in DRAWS:
            raise Doubt
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            root = node
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            self.alters |= {root.id} if isinstance(root, ast.Name) else set()


_look = functools.cache(Look)  # printed cells stay what they are


def _names(code, kinds, inner=True):
    """Names of the page in a code object, and in the functions within."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname in kinds}
    return found.union(*(_names(part, kinds) for part in _inner(code) if inner))


def _same(value):
    """Names whose objects an assigned expression hands on as they are."""
    if isinstance(value, ast.Name):
        return {value.id}
    inner = (ast.Tuple, ast.List, ast.Dict, ast.Attribute, ast.Subscript, ast.Starred, ast.IfExp)
    parts = ast.iter_child_nodes(value) if isinstance(value, inner) else ()
    return set().union(*map(_same, parts))


def _inner(code):
    return [part for part in code.co_consts if isinstance(part, types.CodeType)]
