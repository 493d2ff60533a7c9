/** Keys for everything. A letter alone acts only where nothing is being written; with Alt it acts everywhere. */

import { actionOf, isPrintable } from "./keymap.js";
import { hasLetters, setLetters } from "../single-key-shortcuts.js";
import { TypingGuard } from "../typing.js";

/** @param {(name: string) => void} act does what keymap.js names */
export function listenForKeys(act) {
  const typing = new TypingGuard();
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey) return;
    if (document.querySelector("dialog[open]") || document.querySelector("[popover]:popover-open")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const isWriting = typing.isWriting(target);
    if (event.key === "Escape" && isWriting) {
      target.blur();
      document.getElementById("log")?.focus();
      return;
    }
    // The customer ended while the agent wrote: the next letters are no commands.
    if (!isWriting && isPrintable(event) && typing.isResting()) return event.preventDefault();
    const name = actionOf(event, {
      isWriting,
      isInAnswers: Boolean(target.closest("#points-list")),
      // Arrows alone scroll what was said, and move in menus and lists.
      movesByArrows: Boolean(target.closest("#log, [role=menu], [role=listbox]")),
      hasLetters: hasLetters(),
    });
    if (!name) return;
    event.preventDefault();
    act(name);
  });
  const choice = /** @type {HTMLInputElement | null} */ (document.getElementById("letters"));
  if (!choice) return;
  choice.checked = hasLetters();
  choice.onchange = () => setLetters(choice.checked);
}
