/** The UI strings that the server has translated for the scripts of a page, in <script type="application/json" id="words">. */

/** @param {Document} [page] @returns {ChatWords} */
export function readWords(page = document) {
  return JSON.parse(page.getElementById("words")?.textContent || "{}");
}

/** Replaces each placeholder `{name}` by its value. A placeholder without a value stays. @param {string} text @param {Record<string, unknown>} values */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => String(values[name] ?? placeholder));
}
