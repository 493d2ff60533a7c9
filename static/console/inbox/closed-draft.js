/** Keeps an unsent draft readable and copyable after its conversation can no longer be answered. */

import { byId } from "../../chat/dom.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */

export class ClosedDraft {
  #form = /** @type {HTMLFormElement} */ (byId("composer"));
  #body = /** @type {HTMLTextAreaElement} */ (byId("body"));
  #bar = byId("draft-over");
  #isComposing = false;
  #onEnd;

  /**
   * @param {UiStrings} strings
   * @param {{onDiscard: () => void, onEnd: () => void}} options `onEnd`: an input method has finished composing
   */
  constructor(strings, { onDiscard, onEnd }) {
    this.#onEnd = onEnd;
    this.#body.addEventListener("compositionstart", () => (this.#isComposing = true));
    this.#body.addEventListener("compositionend", () => {
      this.#isComposing = false;
      this.#onEnd();
    });
    byId("draft-copy").onclick = () => this.#copy(strings.copied);
    byId("draft-discard").onclick = onDiscard;
  }

  get isComposing() {
    return this.#isComposing;
  }

  /** Shows the composer, or its unsent draft read-only, or neither. @param {boolean} isOpen whether the agent may answer */
  show(isOpen) {
    // Interrupting an input method loses the letters being composed: wait until they are in the draft.
    if (!isOpen && this.#isComposing) return;
    const hasDraft = !isOpen && Boolean(this.#body.value.trim());
    const hadFocus = this.#form.contains(document.activeElement);
    this.#form.hidden = !isOpen && !hasDraft;
    this.#form.classList.toggle("over", hasDraft);
    this.#bar.hidden = !hasDraft;
    // The read-only field keeps the focus, so that further typing is neither inserted nor taken as shortcuts.
    this.#body.readOnly = hasDraft;
    if (!hadFocus || isOpen) return;
    if (this.#form.hidden) byId("conversation").focus();
    else if (!document.activeElement?.checkVisibility()) this.#body.focus();
  }

  /** @param {string} confirmation announced after copying */
  async #copy(confirmation) {
    this.#body.select();
    try {
      await navigator.clipboard.writeText(this.#body.value);
      byId("announce").textContent = confirmation;
    } catch {
      // Clipboard access is denied: the text is selected, and Ctrl+C copies it.
      this.#body.focus();
    }
  }
}
