/** The first screen: topics and the short form. */

import { by } from "./page.js";

export class Beginning {
  #form = /** @type {HTMLFormElement | null} */ (document.getElementById("form"));

  /** @param {(text: string, beginning: {form: object, topic?: number}) => void} onTopic */
  constructor(onTopic) {
    this.#form?.addEventListener("submit", (event) => event.preventDefault());
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

  /** What was filled in; null when something required is missing, which is then shown. */
  answers() {
    if (!this.#form) return { form: {} };
    const isMissing = !this.#form.checkValidity();
    by("form-error").hidden = !isMissing;
    if (isMissing) {
      const first = /** @type {HTMLElement} */ (this.#form.querySelector(":invalid"));
      first.ariaInvalid = "true";
      first.focus();
      return null;
    }
    return { form: Object.fromEntries(new FormData(this.#form)) };
  }
}
