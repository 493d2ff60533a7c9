/**
 * Script of the knowledge pages. Shows the URLs in answers as links, as the widget does. Removes the draft of a saved
 * point, and everything that this tab has stored when the person signs out.
 */

import { linkedText } from "../../chat/links.js";
import { storage } from "../inbox/drafts.js";

/** Shows an answer in `element` as the widget shows it. @param {HTMLElement} element @param {string} text */
export function showAnswer(element, text) {
  element.replaceChildren(...linkedText(text));
}

/** Returns the storage key of a point's unsaved form. @param {string} key "" for a new point @param {string} staff */
export function draftKey(key, staff) {
  return `lianxin.point.${staff}.${key}`;
}

for (const element of document.querySelectorAll("[data-links]")) {
  if (element instanceof HTMLElement) showAnswer(element, element.textContent ?? "");
}

const page = document.getElementById("point");
if (page && location.hash === "#saved") {
  for (const key of [page.dataset.key ?? "", ""]) storage.session?.removeItem(draftKey(key, page.dataset.staff ?? ""));
  history.replaceState(null, "", location.pathname + location.search);
}

document.querySelector("[data-sign-out]")?.addEventListener("submit", () => storage.forget());
