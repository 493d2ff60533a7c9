/** The words of the page: what gettext gave on the server, in <script type="application/json" id="words">. */

/** @param {Document} [page] @returns {ChatWords} */
export function readWords(page = document) {
  return JSON.parse(page.getElementById("words")?.textContent || "{}");
}

/** Puts values in the places of `{name}`. @param {string} words @param {Record<string, unknown>} values */
export function fill(words, values) {
  return words.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}
