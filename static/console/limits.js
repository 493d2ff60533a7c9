/**
 * Checks the length of fields, in characters as the server counts them. A browser counts an emoji as two characters and
 * silently truncates pasted text. Its `maxlength` is therefore removed, and the field reports that it is too long. The
 * server checks the length as well.
 */

import { lengthOf } from "../chat/character-count.js";
import { fill } from "../chat/ui-strings.js";

/** @typedef {HTMLInputElement | HTMLTextAreaElement} Field */

/** Returns the field's limit, 0 for none, and removes its `maxlength`. @param {Field} field */
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
