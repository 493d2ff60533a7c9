/** Script of the form of a knowledge point: preview, character counts, and a draft kept when the person leaves the page. */

import { lengthOf } from "../../chat/character-count.js";
import { byId } from "../../chat/dom.js";
import { storage } from "../inbox/drafts.js";
import { draftKey, showAnswer } from "./knowledge.js";
import { limitOf } from "../limits.js";

const form = /** @type {HTMLFormElement} */ (byId("point-form"));
const preview = byId("preview");
const restoredBar = byId("restored-draft");
const storageKey = draftKey(form.dataset.key ?? "", form.dataset.staff ?? "");
const EXCLUDED_FIELDS = new Set(["csrfmiddlewaretoken", "submit"]);
const SERVER_FIELDS = new Set(["seen", "is_new_category"]);

/** @returns {Record<string, string>} the current values of the form, by field name */
function values() {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement && field.type === "checkbox") fields[field.name] = field.checked ? "on" : "";
    else if (isField(field) && !EXCLUDED_FIELDS.has(field.name)) fields[field.name] = field.value;
  }
  return fields;
}

/** @param {Element} field @returns {field is HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} */
function isField(field) {
  return (
    (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement) &&
    field.name !== ""
  );
}

/**
 * Returns whether a draft is equal to the form as the server has rendered it. Fields that the server fills in itself may
 * differ, and so may surrounding white space.
 *
 * @param {Record<string, string>} draft
 * @param {Record<string, string>} now
 */
function isUnchanged(draft, now) {
  return Object.keys(now).every((field) => SERVER_FIELDS.has(field) || (draft[field] ?? "").trim() === now[field].trim());
}

/** @param {Record<string, string>} draft */
function restore(draft) {
  for (const field of form.elements) {
    if (!isField(field) || !(field.name in draft)) continue;
    if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = draft[field.name] === "on";
    else field.value = draft[field.name];
  }
}

/** Returns the links in the format in which the server adds them below the answer (knowledge/message_sources.py). @param {string} links @returns {string[]} */
function linesOf(links) {
  return links
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const separator = line.lastIndexOf("|");
      return separator < 0 ? line : `${line.slice(0, separator).trim()} ${line.slice(separator + 1).trim()}`.trim();
    });
}

function draw() {
  const now = values();
  showAnswer(preview, [now.answer, ...linesOf(now.links)].join("\n"));
  for (const count of form.querySelectorAll("[data-count]")) {
    if (!(count instanceof HTMLElement)) continue;
    const field = form.elements.namedItem(count.dataset.count ?? "");
    if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) continue;
    // Count in the same way as the server: whole characters, and a line break as one character.
    const length = lengthOf(field.value.trim());
    const limit = limitOf(field);
    count.textContent = `${length} / ${limit}`;
    count.classList.toggle("over", length > limit);
  }
}

function saveDraft() {
  try {
    storage.session?.setItem(storageKey, JSON.stringify(values()));
  } catch {
    // Storage is full or blocked: the text is then only on the page itself.
  }
}

const initial = values();
try {
  const draft = JSON.parse(storage.session?.getItem(storageKey) ?? "null");
  // If the server returned the form with errors, the form already has the typed text.
  if (draft && !("returned" in form.dataset)) {
    if (isUnchanged(draft, initial)) storage.session?.removeItem(storageKey);
    else {
      restore(draft);
      restoredBar.hidden = false;
    }
  }
} catch {
  // The stored draft is invalid: use the values from the server.
}
draw();

form.addEventListener("input", () => {
  draw();
  saveDraft();
});
document.getElementById("begin-anew")?.addEventListener("click", () => {
  storage.session?.removeItem(storageKey);
  restore(initial);
  restoredBar.hidden = true;
  draw();
});
