/** Detects whether the person is typing, even if the field disappeared a moment ago while they typed. */

/** Keys pressed within this time after a field disappeared count as meant for the field, in ms. */
const GRACE_MS = 1200;
/** A change of focus within this time after Tab, Escape or a click counts as made by the person, in ms. */
const USER_MOVE_MS = 150;
const POLL_MS = 200;
const FIELDS = "input, textarea, select, [contenteditable]";
/** Types of inputs that take no text. A key pressed after such an input disappeared was not meant for it. */
const NON_TEXT_INPUTS = "[type=radio], [type=checkbox], [type=button], [type=submit], [type=file], [type=range]";

export class TypingGuard {
  /** @type {HTMLElement | null} the field with the focus, if it takes letters */
  #field = null;
  #lostAt = -Infinity;
  /** The time at which the person last moved the focus. */
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
    // No event reports that an element was hidden or removed, so check regularly and at every key.
    setInterval(() => this.#poll(), POLL_MS);
  }

  /** Returns whether the target of a key press is a field. @param {EventTarget | null} target */
  isWriting(target) {
    return fieldOf(target) !== null;
  }

  /**
   * Returns whether a key pressed outside all fields was meant for a field that has just disappeared. Each such key
   * extends the time in which further keys count as meant for it.
   */
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
