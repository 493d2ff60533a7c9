/** Keyboard control of a review list: arrows move, one key decides, and the focus moves on to the next item. */

import { hasLetters } from "./single-key-shortcuts.js";

const list = document.getElementById("waiting");

/** @returns {HTMLElement[]} */
function items() {
  return [...(list?.children ?? [])].filter((item) => item instanceof HTMLElement);
}

/** @param {number} index */
function focus(index) {
  const all = items();
  all[Math.max(0, Math.min(index, all.length - 1))]?.focus();
}

/** @returns {number} index of the item that has the focus, or -1 */
function focusedIndex() {
  return items().findIndex((item) => item.contains(document.activeElement));
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    focus(focusedIndex() + (event.key === "ArrowDown" ? 1 : -1));
    return;
  }
  if (!hasLetters()) return;
  const chosen = items()[Math.max(0, focusedIndex())];
  const button = chosen?.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button instanceof HTMLButtonElement) {
    event.preventDefault();
    button.click();
  }
});

// A decided item leaves the list, which drops the focus: move it to the item that is now at the same index.
let lastIndex = 0;
document.addEventListener("focusin", () => {
  if (focusedIndex() >= 0) lastIndex = focusedIndex();
});
if (list) {
  new MutationObserver(() => {
    if (focusedIndex() < 0) focus(lastIndex);
  }).observe(list, { childList: true });
}
