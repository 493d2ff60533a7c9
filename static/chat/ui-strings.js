/** Reads the translated UI strings for the scripts of a page from <script type="application/json" id="ui-strings">. */

import { byId } from "./dom.js";

/** The translated UI strings of a page for its scripts, by key. @typedef {Record<string, string>} UiStrings */

/** @returns {UiStrings} */
export function readUiStrings() {
  return JSON.parse(byId("ui-strings").textContent ?? "");
}

/** Replaces each placeholder `{name}` with its value. A placeholder without a value stays. @param {string} text @param {Record<string, unknown>} values */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => String(values[name] ?? placeholder));
}
