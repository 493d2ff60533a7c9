/** The first screen: topics and the short form. */

import { lengthOf } from "../chat/character-count.js";
import { by, fillForm } from "./elements.js";

export class Beginning {
  #form = /** @type {HTMLFormElement | null} */ (document.getElementById("form"));

  #words;

  /**
   * @param {import("./storage.js").Memory} memory
   * @param {ChatWords} words
   * @param {(text: string, beginning: {form: object, topic?: number}) => void} onTopic
   */
  constructor(memory, words, onTopic) {
    this.#words = words;
    const form = this.#form;
    if (form) {
      fillForm(form, memory.get("form"));
      form.oninput = () => memory.set("form", Object.fromEntries(new FormData(form)));
      form.onsubmit = (event) => event.preventDefault();
    }
    for (const button of document.querySelectorAll("#topics button")) {
      if (!(button instanceof HTMLButtonElement)) continue;
      button.onclick = () => {
        const answers = this.answers();
        if (answers) onTopic(button.dataset.says ?? "", { ...answers, topic: Number(button.value) });
      };
    }
  }

  clear() {
    this.#form?.reset();
  }

  /** What was filled in; null when something required is missing or too long, which is then shown. */
  answers() {
    if (!this.#form) return { form: {} };
    for (const input of this.#form.querySelectorAll("input")) {
      input.setCustomValidity(lengthOf(input.value) > Number(input.dataset.longest) ? this.#words.too_long : "");
    }
    const isUnfit = !this.#form.checkValidity();
    by("form-error").hidden = !isUnfit;
    if (isUnfit) {
      const first = /** @type {HTMLInputElement} */ (this.#form.querySelector(":invalid"));
      by("form-error").textContent = first.validity.customError ? this.#words.too_long : this.#words.missing;
      first.ariaInvalid = "true";
      first.focus();
      return null;
    }
    return { form: Object.fromEntries(new FormData(this.#form)) };
  }
}
