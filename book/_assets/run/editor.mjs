// A cell's code to be edited: CodeMirror in the page's colours, or a plain field where that did not load.

const bundle = new URL("codemirror.mjs", import.meta.url).href;
let parts;
export const load = () => (parts ||= import(bundle).catch(() => null));

/** Pygments' classes: the page's own styles colour the code, in both themes. */
const colours = ({ HighlightStyle, tags }) => HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword], class: "k" },
  { tag: [tags.operatorKeyword, tags.operator, tags.derefOperator], class: "o" },
  { tag: [tags.string, tags.special(tags.string)], class: "s2" },
  { tag: [tags.number], class: "mi" },
  { tag: [tags.bool, tags.null], class: "kc" },
  { tag: tags.comment, class: "c1" },
  { tag: tags.definition(tags.function(tags.variableName)), class: "nf" },
]);

/** `text()`, `set(text)` and `focus()` of an editor that takes the place given. */
export async function edit(place, { text, label, run, changed, leave }) {
  const cm = await load();
  return cm ? rich(cm, place, text, label, run, changed, leave) : plain(place, text, label, run, changed, leave);
}

function rich(cm, place, text, label, run, changed, leave) {
  const act = (what) => () => (what(), true);
  const view = new cm.EditorView({
    parent: place,
    state: cm.EditorState.create({
      doc: text,
      extensions: [
        cm.lineNumbers(), cm.history(), cm.drawSelection(), cm.indentOnInput(), cm.bracketMatching(),
        cm.indentUnit.of("    "), new cm.LanguageSupport(cm.pythonLanguage), cm.syntaxHighlighting(colours(cm)),
        cm.keymap.of([
          { key: "Shift-Enter", run: act(run) }, { key: "Mod-Enter", run: act(run) }, { key: "Escape", run: act(leave) },
          ...cm.defaultKeymap, ...cm.historyKeymap, // the Tab key leads on, as everywhere on the page
        ]),
        cm.EditorView.contentAttributes.of({ "aria-label": label, autocapitalize: "off", spellcheck: "false" }),
        cm.EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (now) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: now } }),
    focus: () => view.focus(),
  };
}

function plain(place, text, label, run, changed, leave) {
  const field = document.createElement("textarea");
  Object.assign(field, { value: text, spellcheck: false, className: "run-field" });
  field.setAttribute("aria-label", label);
  const fit = () => (field.rows = field.value.split("\n").length + 1);
  field.addEventListener("input", () => (fit(), changed()));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave();
    if (event.key !== "Enter" || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run();
  });
  fit();
  place.append(field);
  return { text: () => field.value, set: (now) => ((field.value = now), fit(), changed()), focus: () => field.focus() };
}
