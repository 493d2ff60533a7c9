/** The first screen: suggested topics, and the form that the visitor fills in before a conversation. */

import { lengthOf } from "../chat/character-count.js";
import { byId, fillForm } from "../chat/dom.js";

/** @import { UiStrings } from "../chat/ui-strings.js" */
/** @import { BrowserStorage } from "./storage.js" */

export class PreChatForm {
  #form = /** @type {HTMLFormElement | null} */ (document.getElementById("form"));

  #strings;

  /**
   * @param {BrowserStorage} storage
   * @param {UiStrings} strings
   * @param {(text: string, fields: {form: object, topic?: number}) => void} onTopic
   */
  constructor(storage, strings, onTopic) {
    this.#strings = strings;
    const form = this.#form;
    if (form) {
      fillForm(form, storage.get("form"));
      form.oninput = () => storage.set("form", Object.fromEntries(new FormData(form)));
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

  /** Returns the answers. If a required answer is missing or an answer is too long, shows the error and returns null. */
  answers() {
    if (!this.#form) return { form: {} };
    for (const input of this.#form.querySelectorAll("input")) {
      input.setCustomValidity(lengthOf(input.value) > Number(input.dataset.maxCharacters) ? this.#strings.too_long : "");
    }
    const isInvalid = !this.#form.checkValidity();
    byId("form-error").hidden = !isInvalid;
    if (isInvalid) {
      const first = /** @type {HTMLInputElement} */ (this.#form.querySelector(":invalid"));
      byId("form-error").textContent = first.validity.customError ? this.#strings.too_long : this.#strings.missing;
      first.ariaInvalid = "true";
      first.focus();
      return null;
    }
    return { form: Object.fromEntries(new FormData(this.#form)) };
  }
}
