// What the editor of book/_assets/run/editor.mjs uses; README.md says how the bundle is made of it.
export { EditorState } from "@codemirror/state";
export { EditorView, keymap, drawSelection, lineNumbers } from "@codemirror/view";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export { HighlightStyle, LanguageSupport, bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
export { pythonLanguage } from "@codemirror/lang-python";
export { tags } from "@lezer/highlight";
