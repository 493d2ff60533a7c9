/** Knows whether somebody is in the middle of typing, also when the field has just gone from under their hands. */

/** Seconds of rest, in ms, after a field went away: what is typed meanwhile was meant for it. */
const REST_MS = 1200;
const BY_HAND_MS = 150;
const LOOK_MS = 200;
const FIELDS = "input, textarea, select, [contenteditable]";
/** Inputs that take no letters: a key pressed after one of them has gone was not meant for it. */
const WITHOUT_TEXT = "[type=radio], [type=checkbox], [type=button], [type=submit], [type=file], [type=range]";

export class TypingGuard {
  /** @type {HTMLElement | null} the field with the focus, if it takes letters */
  #field = null;
  #lostAt = -Infinity;
  /** When the person themselves moved the focus last. */
  #movedAt = -Infinity;

  constructor() {
    document.addEventListener("focusin", ({ target }) => (this.#field = textFieldOf(target)));
    document.addEventListener("focusout", ({ target }) => {
      if (target !== this.#field) return;
      this.#field = null;
      if (performance.now() - this.#movedAt > BY_HAND_MS) this.#lose();
    });
    document.addEventListener("pointerdown", ({ target }) => target === this.#field || this.#move(), true);
    document.addEventListener("keydown", ({ key }) => /^(Tab|Escape)$/.test(key) && this.#move(), true);
    // No event tells that an element was hidden or removed: asked a few times a second, and at every key.
    setInterval(() => this.#look(), LOOK_MS);
  }

  /** Whether the target of a key press is a field. @param {EventTarget | null} target */
  isWriting(target) {
    return fieldOf(target) !== null;
  }

  /** Whether a key pressed outside of any field was meant for one that has gone; what is typed on prolongs that. */
  isResting() {
    this.#look();
    if (performance.now() - this.#lostAt > REST_MS) return false;
    this.#lose();
    return true;
  }

  #look() {
    if (!this.#field || this.#field.checkVisibility()) return;
    this.#field = null;
    this.#lose();
  }

  #lose() {
    this.#lostAt = performance.now();
  }

  #move() {
    this.#movedAt = performance.now();
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
  return field?.matches(WITHOUT_TEXT) ? null : field;
}
