/** The editor of reply buttons. A visitor answers a message by clicking one of the buttons below it. */

import { lengthOf } from "../../chat/character-count.js";
import { byId } from "../../chat/dom.js";

const MAX_CHARACTERS = 40;

export class ChoicesEditor {
  #editor = byId("choices-editor");
  #inputs = [...this.#editor.querySelectorAll("input")];

  /** @param {() => void} onChange */
  constructor(onChange) {
    for (const input of this.#inputs) input.addEventListener("input", onChange);
    byId("choices-close").onclick = () => {
      this.show([]);
      onChange();
    };
  }

  /** The content of the fields exactly as typed, to be kept in the draft. */
  get draft() {
    return this.#editor.hidden ? [] : this.#inputs.map((input) => input.value);
  }

  /** The button texts as they would be sent. */
  get choices() {
    return this.draft.map((text) => text.replace(/\s+/g, " ").trim()).filter(Boolean);
  }

  /** Whether the buttons cannot be sent: there are too few, a text is too long, or two texts are equal. */
  get areInvalid() {
    const { choices } = this;
    if (!choices.length) return false;
    const isTooLong = choices.some((text) => lengthOf(text) > MAX_CHARACTERS);
    return isTooLong || choices.length < 2 || new Set(choices).size < choices.length;
  }

  /** @param {string[]} choices */
  show(choices) {
    this.#editor.hidden = !choices.some(Boolean);
    this.#inputs.forEach((input, index) => (input.value = choices[index] ?? ""));
  }

  toggle() {
    if (!this.#editor.hidden) return this.show([]);
    this.#editor.hidden = false;
    this.#inputs[0].focus();
  }

  /** @param {boolean} isReadOnly */
  lock(isReadOnly) {
    for (const input of this.#inputs) input.readOnly = isReadOnly;
  }
}
