/** The form of a knowledge point: how it will look, how long it is, and nothing lost when the page goes away. */

import { lengthOf } from "../../chat/character-count.js";
import { storage } from "../inbox/drafts.js";
import { keptName, showAnswer } from "./knowledge.js";
import { limitOf } from "../limits.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("point-form"));
const preview = /** @type {HTMLElement} */ (document.getElementById("preview"));
const bar = /** @type {HTMLElement} */ (document.getElementById("kept"));
const name = keptName(form.dataset.key ?? "", form.dataset.staff ?? "");
const NOT_KEPT = new Set(["csrfmiddlewaretoken", "submit"]);
const OF_THE_SERVER = new Set(["seen", "is_new_category"]);

/** @returns {Record<string, string>} what the form says now */
function values() {
  /** @type {Record<string, string>} */
  const found = {};
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement && field.type === "checkbox") found[field.name] = field.checked ? "on" : "";
    else if (isField(field) && !NOT_KEPT.has(field.name)) found[field.name] = field.value;
  }
  return found;
}

/** @param {Element} field @returns {field is HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} */
function isField(field) {
  return (
    (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement) &&
    field.name !== ""
  );
}

/**
 * Whether what was kept has been saved meanwhile: only what the server remembers for itself may differ.
 *
 * @param {Record<string, string>} kept
 * @param {Record<string, string>} now
 */
function isSame(kept, now) {
  return Object.keys(now).every((field) => OF_THE_SERVER.has(field) || (kept[field] ?? "").trim() === now[field].trim());
}

/** @param {Record<string, string>} kept */
function fill(kept) {
  for (const field of form.elements) {
    if (!isField(field) || !(field.name in kept)) continue;
    if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = kept[field.name] === "on";
    else field.value = kept[field.name];
  }
}

/** As the server writes them below the answer (knowledge/message_sources.py). @param {string} links @returns {string[]} */
function linesOf(links) {
  return links
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const bar = line.lastIndexOf("|");
      return bar < 0 ? line : `${line.slice(0, bar).trim()} ${line.slice(bar + 1).trim()}`.trim();
    });
}

function draw() {
  const now = values();
  showAnswer(preview, [now.answer, ...linesOf(now.links)].join("\n"));
  for (const count of form.querySelectorAll("[data-count]")) {
    if (!(count instanceof HTMLElement)) continue;
    const field = form.elements.namedItem(count.dataset.count ?? "");
    if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) continue;
    // As the server counts: whole characters, a line break as one.
    const length = lengthOf(field.value.trim());
    const limit = limitOf(field);
    count.textContent = `${length} / ${limit}`;
    count.classList.toggle("over", length > limit);
  }
}

function keep() {
  try {
    storage.session?.setItem(name, JSON.stringify(values()));
  } catch {
    // Full or blocked: the page itself still has it.
  }
}

const first = values();
try {
  const kept = JSON.parse(storage.session?.getItem(name) ?? "null");
  // A form that the server has sent back holds what was typed already.
  if (kept && !("returned" in form.dataset)) {
    if (isSame(kept, first)) storage.session?.removeItem(name);
    else {
      fill(kept);
      bar.hidden = false;
    }
  }
} catch {
  // Spoilt: begin with what the server says.
}
draw();

form.addEventListener("input", () => {
  draw();
  keep();
});
document.getElementById("begin-anew")?.addEventListener("click", () => {
  storage.session?.removeItem(name);
  fill(first);
  bar.hidden = true;
  draw();
});
