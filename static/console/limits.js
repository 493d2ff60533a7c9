/**
 * Limits of fields, in characters as the server counts them. A browser counts an emoji twice, and cuts what is pasted
 * without a word: so its own limit is taken off, and the field says how much is too much. The server checks all the same.
 */

import { lengthOf } from "../chat/character-count.js";
import { fill } from "../chat/ui-strings.js";

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

/** The field's limit, or 0. @param {Field} field */
export function limitOf(field) {
  if (field.maxLength >= 0) {
    field.dataset.longest = String(field.maxLength);
    field.removeAttribute("maxlength");
  }
  return Number(field.dataset.longest ?? 0);
}

/** @param {EventTarget | null} target */
function check(target) {
  if (!(target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement)) return;
  const limit = limitOf(target);
  if (!limit) return;
  // What htmx sends comes back with the server's words beside the field, and everything that was written.
  if (target.form?.hasAttribute("hx-post")) return;
  const length = lengthOf(target.value);
  const words = fill(document.body.dataset.tooLong ?? "", { limit, length });
  target.setCustomValidity(length > limit ? words : "");
}

for (const name of ["focusin", "input"]) document.addEventListener(name, ({ target }) => check(target), true);
