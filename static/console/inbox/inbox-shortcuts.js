/** The keyboard shortcuts of the inbox. A letter alone works outside of text fields, if the person has not switched that
 * off; with Alt it works everywhere. */

import { isForInputMethod } from "../../chat/dom.js";
import { actionOf, isPrintable } from "./inbox-shortcut-keys.js";
import { hasLetters, setLetters } from "../letter-shortcut-setting.js";
import { TypingGuard } from "../typing.js";

/** @param {(name: string) => void} act runs the action that inbox-shortcut-keys.js names */
export function listenForKeys(act) {
  const typing = new TypingGuard();
  document.addEventListener("keydown", (event) => {
    if (isForInputMethod(event) || event.ctrlKey || event.metaKey) return;
    if (document.querySelector("dialog[open]") || document.querySelector("[popover]:popover-open")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const isWriting = typing.isWriting(target);
    if (event.key === "Escape" && isWriting) {
      target.blur();
      document.getElementById("log")?.focus();
      return;
    }
    // The visitor ended the conversation while the agent typed. The agent's next letters must not act as shortcuts.
    if (!isWriting && isPrintable(event) && typing.hasJustLostField()) return event.preventDefault();
    const name = actionOf(event, {
      isWriting,
      isInSuggestions: Boolean(target.closest("#points-list")),
      // Without Alt, arrow keys scroll the messages, and move in menus and lists.
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
