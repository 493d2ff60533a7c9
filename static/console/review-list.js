/** A list of things that wait for a word: arrows move, one key decides, and the next is there at once. */

import { hasLetters } from "./single-key-shortcuts.js";

const list = document.getElementById("waiting");

/** @returns {HTMLElement[]} */
function items() {
  return [...(list?.children ?? [])].filter((item) => item instanceof HTMLElement);
}

/** @param {number} place */
function focus(place) {
  const all = items();
  all[Math.max(0, Math.min(place, all.length - 1))]?.focus();
}

function place() {
  return items().findIndex((item) => item.contains(document.activeElement));
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    focus(place() + (event.key === "ArrowDown" ? 1 : -1));
    return;
  }
  if (!hasLetters()) return;
  const chosen = items()[Math.max(0, place())];
  const button = chosen?.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button instanceof HTMLButtonElement) {
    event.preventDefault();
    button.click();
  }
});

// What has been decided goes out of the list; the one that takes its place is next.
let last = 0;
document.addEventListener("focusin", () => {
  if (place() >= 0) last = place();
});
if (list) {
  new MutationObserver(() => {
    if (place() < 0) focus(last);
  }).observe(list, { childList: true });
}
