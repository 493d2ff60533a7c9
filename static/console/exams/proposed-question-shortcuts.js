/** Keyboard shortcuts of the page of proposed questions: a letter clicks the element with this letter in `aria-keyshortcuts`,
 * unless the person is typing. */

import { isPrintable, letterOf } from "../inbox/inbox-shortcut-keys.js";
import { hasLetters } from "../letter-shortcut-setting.js";
import { TypingGuard } from "../typing.js";

const typing = new TypingGuard();

document.addEventListener("keydown", (event) => {
  if (!isPrintable(event) || event.isComposing || event.repeat || typing.isWriting(event.target)) return;
  if (!hasLetters() || typing.hasJustLostField()) return;
  const letter = letterOf(event);
  const wanted = letter && /** @type {HTMLElement | null} */ (document.querySelector(`[aria-keyshortcuts="${letter}"]`));
  if (!wanted) return;
  event.preventDefault();
  wanted.click();
});
