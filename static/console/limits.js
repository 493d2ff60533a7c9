/**
 * Checks the length of form fields, in characters as the server counts them. The browser's own `maxlength` is removed,
 * because browsers count an emoji as two characters and silently truncate pasted text. A text that is too long makes the
 * field invalid. The server checks the length as well.
 */

import { lengthOf } from "../chat/character-count.js";
import { fill } from "../chat/ui-strings.js";

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

/** Returns the maximum length of a field, 0 for none, and removes its `maxlength`. @param {Field} field */
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
  // Skip htmx forms: the server validates them and returns the form with the error and the full text.
  if (target.form?.hasAttribute("hx-post")) return;
  const length = lengthOf(target.value);
  const message = fill(document.body.dataset.tooLong ?? "", { limit, length });
  target.setCustomValidity(length > limit ? message : "");
}

for (const name of ["focusin", "input"]) document.addEventListener(name, ({ target }) => check(target), true);
