/** Detects whether the person is typing, also when the field has just disappeared while they typed. */

/** Period after a field disappeared in which keys are taken as meant for it, in ms. */
const GRACE_MS = 1200;
/** A focus change within this time of Tab, Escape or a click was made by the person. */
const USER_MOVE_MS = 150;
const POLL_MS = 200;
const FIELDS = "input, textarea, select, [contenteditable]";
/** Inputs that take no text: a key pressed after one of them disappeared was not meant for it. */
const NON_TEXT_INPUTS = "[type=radio], [type=checkbox], [type=button], [type=submit], [type=file], [type=range]";

export class TypingGuard {
  /** @type {HTMLElement | null} the field with the focus, if it takes letters */
  #field = null;
  #lostAt = -Infinity;
  /** When the person last moved the focus themselves. */
  #userMovedAt = -Infinity;

  constructor() {
    document.addEventListener("focusin", ({ target }) => (this.#field = textFieldOf(target)));
    document.addEventListener("focusout", ({ target }) => {
      if (target !== this.#field) return;
      this.#field = null;
      if (performance.now() - this.#userMovedAt > USER_MOVE_MS) this.#startGrace();
    });
    document.addEventListener("pointerdown", ({ target }) => target === this.#field || this.#endGrace(), true);
    document.addEventListener("keydown", ({ key }) => /^(Tab|Escape)$/.test(key) && this.#endGrace(), true);
    // No event reports that an element was hidden or removed: poll, and check at every key.
    setInterval(() => this.#poll(), POLL_MS);
  }

  /** Tells whether the target of a key press is a field. @param {EventTarget | null} target */
  isWriting(target) {
    return fieldOf(target) !== null;
  }

  /** Tells whether a key pressed outside any field was meant for one that just disappeared; each such key extends the period. */
  hasJustLostField() {
    this.#poll();
    if (performance.now() - this.#lostAt > GRACE_MS) return false;
    this.#startGrace();
    return true;
  }

  #poll() {
    if (!this.#field || this.#field.checkVisibility()) return;
    this.#field = null;
    this.#startGrace();
  }

  #startGrace() {
    this.#lostAt = performance.now();
  }

  #endGrace() {
    this.#userMovedAt = performance.now();
    this.#lostAt = -Infinity;
  }
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
function fieldOf(target) {
  return target instanceof HTMLElement && target.matches(FIELDS) ? target : null;
}

/** @param {EventTarget | null} target @returns {HTMLElement | null} */
function textFieldOf(target) {
  const field = fieldOf(target);
  return field?.matches(NON_TEXT_INPUTS) ? null : field;
}
