/** What was still being written when a conversation could no longer be answered: it stays, to be read and copied. */

export class ClosedDraft {
  #form = /** @type {HTMLFormElement} */ (document.getElementById("composer"));
  #body = /** @type {HTMLTextAreaElement} */ (document.getElementById("body"));
  #bar = byId("draft-over");
  #isComposing = false;
  #onEnd;

  /** @param {ChatWords} words @param {{onDiscard: () => void, onEnd: () => void}} options `onEnd`: a composition has ended */
  constructor(words, { onDiscard, onEnd }) {
    this.#onEnd = onEnd;
    this.#body.addEventListener("compositionstart", () => (this.#isComposing = true));
    this.#body.addEventListener("compositionend", () => {
      this.#isComposing = false;
      this.#onEnd();
    });
    byId("draft-copy").onclick = () => this.#copy(words.copied);
    byId("draft-discard").onclick = onDiscard;
  }

  get isComposing() {
    return this.#isComposing;
  }

  /** Shows the composer, or what was written in it, or neither. @param {boolean} isOpen whether it may be answered */
  show(isOpen) {
    // A composition that is cut off loses its letters: what it writes goes into the draft first.
    if (!isOpen && this.#isComposing) return;
    const isKept = !isOpen && Boolean(this.#body.value.trim());
    const hadFocus = this.#form.contains(document.activeElement);
    this.#form.hidden = !isOpen && !isKept;
    this.#form.classList.toggle("over", isKept);
    this.#bar.hidden = !isKept;
    // Read-only, it keeps the focus: what is typed on goes nowhere, and is no command.
    this.#body.readOnly = isKept;
    if (!hadFocus || isOpen) return;
    if (this.#form.hidden) byId("talk").focus();
    else if (!document.activeElement?.checkVisibility()) this.#body.focus();
  }

  /** @param {string} done what to say then */
  async #copy(done) {
    this.#body.select();
    try {
      await navigator.clipboard.writeText(this.#body.value);
      byId("announce").textContent = done;
    } catch {
      // Not allowed: it is selected, and Ctrl+C copies it.
      this.#body.focus();
    }
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
