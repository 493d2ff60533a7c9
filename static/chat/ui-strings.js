/** Reads the translated UI strings for the scripts of a page from <script type="application/json" id="words">. */

/** @param {Document} [page] @returns {ChatWords} */
export function readWords(page = document) {
  return JSON.parse(page.getElementById("words")?.textContent || "{}");
}

/** Replaces each placeholder `{name}` by its value. A placeholder without a value stays. @param {string} text @param {Record<string, unknown>} values */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => String(values[name] ?? placeholder));
}
