/** The editor for the buttons under a message, with which a customer answers by one press. */

import { lengthOf } from "../../chat/character-count.js";

const MAX_CHARACTERS = 40;

export class ChoicesEditor {
  #place = /** @type {HTMLElement} */ (document.getElementById("choices-editor"));
  #inputs = [...this.#place.querySelectorAll("input")];

  /** @param {() => void} onChange */
  constructor(onChange) {
    for (const input of this.#inputs) input.addEventListener("input", onChange);
    /** @type {HTMLElement} */ (document.getElementById("choices-close")).onclick = () => {
      this.show([]);
      onChange();
    };
  }

  /** What stands in the fields, to the letter: for the draft. */
  get draft() {
    return this.#place.hidden ? [] : this.#inputs.map((input) => input.value);
  }

  /** The buttons as they would be sent. */
  get choices() {
    return this.draft.map((words) => words.replace(/\s+/g, " ").trim()).filter(Boolean);
  }

  /** Whether there are too few, too long ones, or two that say the same. */
  get areUnfit() {
    const { choices } = this;
    if (!choices.length) return false;
    const isTooLong = choices.some((words) => lengthOf(words) > MAX_CHARACTERS);
    return isTooLong || choices.length < 2 || new Set(choices).size < choices.length;
  }

  /** @param {string[]} choices */
  show(choices) {
    this.#place.hidden = !choices.some(Boolean);
    this.#inputs.forEach((input, index) => (input.value = choices[index] ?? ""));
  }

  toggle() {
    if (!this.#place.hidden) return this.show([]);
    this.#place.hidden = false;
    this.#inputs[0].focus();
  }

  /** @param {boolean} isReadOnly */
  lock(isReadOnly) {
    for (const input of this.#inputs) input.readOnly = isReadOnly;
  }
}
