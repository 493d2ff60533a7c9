/** The UI strings that the server has translated for the scripts of a page, in <script type="application/json" id="ui-strings">. */

/** The translated UI strings of a page for its scripts, by key. @typedef {Record<string, string>} UiStrings */

/** @param {Document} [page] @returns {UiStrings} */
export function readUiStrings(page = document) {
  return JSON.parse(page.getElementById("ui-strings")?.textContent || "{}");
}

/** Replaces each `{name}` by its value; a placeholder without a value stays. @param {string} text @param {Record<string, unknown>} values */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => String(values[name] ?? placeholder));
}
