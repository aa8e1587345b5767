"""What is shortened in Pyodide's linker, which links a hundred modules of machine code before the first result.

It does the same as before, without what it did again and again: the first result comes seconds earlier.
"""

from __future__ import annotations

FILE = "pyodide.asm.mjs"

# After each module it looked for names that are still unresolved among all that it had ever met. It keeps a list.
_NEW_NAME = 'rtn=GOT[symName]=new WebAssembly.Global({value:"i32",mutable:true},-1)'
# Whether a number of a module is constant it found out by writing to it, and Chromium takes a millisecond to raise the
# error. To import it as a constant raises none, and where that fails it still writes.
_CONSTANT = "0,97,115,109,1,0,0,0,2,8,1,1,97,1,103,3,127,0"  # a module that does nothing but import a constant
_WRITES = "try{val.value=val.value}catch{return true}"

# A module that the page has compiled already (`packages.mjs`) it takes as it is.
_READS = "function loadLibData(){"
_LATER = "Promise.resolve(early)"

CHANGES = [
    ("var GOT={};", "var GOT={},unresolved=[];"),
    (_NEW_NAME, f"{_NEW_NAME};unresolved.push([symName,rtn])"),
    ("of Object.entries(GOT)){if(entry.value==-1){", "of unresolved){if(entry.value==-1){"),
    ("(${value})`)}}}};var loadDylibs=", "(${value})`)}}}unresolved.length=0};var loadDylibs="),
    (_READS, f'{_READS}var early=Module["early"]?.get(libName);if(early)return flags.loadAsync?{_LATER}:early;'),
    (
        f"var isImmutableGlobal=val=>{{if(val instanceof WebAssembly.Global){{{_WRITES}}}",
        f"var constant=new WebAssembly.Module(Uint8Array.of({_CONSTANT}));"
        "var isImmutableGlobal=val=>{if(val instanceof WebAssembly.Global){"
        f"try{{new WebAssembly.Instance(constant,{{a:{{g:val}}}});return true}}catch{{}}{_WRITES}}}",
    ),
]


def shortened(text: str) -> str:
    """The linker with all changes; LookupError where one has not exactly one place."""
    for old, new in CHANGES:
        if text.count(old) != 1:
            raise LookupError(f"{FILE}: what tools/linker.py shortens is not there: {old[:60]}")
        text = text.replace(old, new)
    return text
