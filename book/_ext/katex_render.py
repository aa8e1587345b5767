"""TeX to HTML by KaTeX, which runs inside Python (the `quickjs-ng` wheel)."""

import json
import re
from functools import cache, lru_cache
from pathlib import Path

import quickjs

from katex_pieces import breaks_at_spaces, in_parts

KATEX_JS = Path(__file__).parent.parent / "_vendor" / "katex" / "katex.min.js"

# The result crosses into Python as JSON: the wheel cannot hand over a string
# that the engine still holds as a rope of pieces.
RENDER = """
(function (tex, display, macros) {
  try {
    return JSON.stringify({html: katex.renderToString(tex, {
      displayMode: display, macros: JSON.parse(macros), output: "htmlAndMathml",
      throwOnError: true, strict: (code, message) => { throw new Error(message); },
    })});
  } catch (error) {
    return JSON.stringify({error: error.message});
  }
})
"""


@lru_cache(maxsize=1)
def engine():
    """One JavaScript context for the whole build, started on the first formula."""
    context = quickjs.Context()
    context.eval(KATEX_JS.read_text(encoding="utf-8"))
    return context, context.eval(RENDER)  # keep the context: the function needs it alive


@cache
def render(tex, display, macros):
    """HTML of one formula, or `ValueError` with KaTeX's own words."""
    answer = json.loads(engine()[1](breaks_at_spaces(tex) if display else tex, display, macros))
    if "error" in answer:
        words = answer["error"].removeprefix("KaTeX parse error: ")
        raise ValueError(words.replace("\u0332", ""))  # KaTeX underlines the place, which terminals garble
    # display style comes from our own box, so KaTeX's block wrapper is not needed
    html = re.sub(r'^<span class="katex-display">(.*)</span>$', r"\1", answer["html"], flags=re.S)
    # the comments let other extensions skip a formula without parsing it
    html = slim(html)
    return f"<!--tex-->{in_parts(html) if display else html}<!--/tex-->"


def slim(html):
    """Without what nobody reads: KaTeX draws each formula and says it again in MathML, for screen readers.

    A formula in one line, without scripts and fractions, is read well as it is drawn, and needs no MathML. Elsewhere
    the source goes, and words of upright letters become one element, which is also spoken as a word.
    """
    spoken, _, drawn = html.partition('<span class="katex-html" aria-hidden="true">')
    if drawn and not re.search(r'vlist|<svg|delimsizing|"mop[ "]|sqrt', drawn):
        return f'<span class="katex"><span class="katex-html">{drawn}'
    spoken = spoken.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    spoken = re.sub(r"</?semantics>|<annotation .*?</annotation>", "", spoken, flags=re.S)
    letters = r'(?:<mi mathvariant="normal">[A-Za-z]</mi>){2,}'
    spoken = re.sub(letters, lambda run: f"<mi>{re.sub(r'<[^>]*>', '', run.group())}</mi>", spoken)
    spoken = re.sub(r"<mrow>(<(m[ion])\b[^>]*>[^<]*</\2>)</mrow>", r"\1", spoken)
    return f'{spoken}<span class="katex-html" aria-hidden="true">{drawn}'


def macros_of(config):
    """MathJax's macro table (`name: body` or `name: [body, count]`) in KaTeX's form."""
    table = (config.mathjax3_config or {}).get("tex", {}).get("macros", {})
    return json.dumps(
        {f"\\{name}": body if isinstance(body, str) else body[0] for name, body in table.items()}, sort_keys=True
    )


GROUPS = re.compile(r"(\\(?:begin|end)\{[^}]*\}|\\\\(?:\[[^]\s]*\])?|\n\s*\n|\\[{}&]|[{}&])")
LINE_ENDS = re.compile(r"\\\\.*|\n\s*\n")


def lines_of(tex):
    r"""The lines of a display: formulas of their own, each free to go on below on a phone, or one formula.

    Sphinx promises that a blank line or a bare `\\` starts a new line. Lines that are aligned (`&`) stay together, in
    the environment that TeX needs for them.
    """
    lines, depth, aligned = [""], 0, False
    for piece in GROUPS.split(tex.strip()):
        depth += (piece.startswith(r"\begin") or piece == "{") - (piece.startswith(r"\end") or piece == "}")
        aligned |= piece == "&" and not depth
        if not depth and LINE_ENDS.fullmatch(piece):
            lines.append("")
        else:
            lines[-1] += piece
    lines = [line.strip() for line in lines if line.strip()]
    return [r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"] if aligned else lines
