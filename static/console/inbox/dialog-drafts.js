/** What is typed into the forms of dialogs and not sent: one draft for each form and conversation, in this tab's storage. */

import { storage } from "./drafts.js";

/** A repeat of a note is known by its client_id, so that one belongs to the draft; a token does not. */
const NOT_KEPT = new Set(["csrfmiddlewaretoken", "form_key"]);

export class DialogDrafts {
  #prefix;
  /** Where storage is blocked, drafts live as long as the page. @type {Map<string, string>} */
  #memory = new Map();

  /** @param {string} staff whose */
  constructor(staff) {
    this.#prefix = `lianxin.form.${staff}.`;
  }

  /** @param {string} name of the form and its conversation @param {HTMLFormElement} form */
  keep(name, form) {
    const typed = [...new FormData(form)].filter(([field, value]) => !NOT_KEPT.has(field) && typeof value === "string");
    const text = JSON.stringify(typed);
    this.#memory.set(name, text);
    try {
      storage.session?.setItem(this.#prefix + name, text);
    } catch {
      // Full: memory has it.
    }
  }

  /** Fills the form with what was typed before. @param {string} name @param {HTMLFormElement} form @returns {boolean} whether there was something */
  restore(name, form) {
    const text = this.#memory.get(name) ?? storage.session?.getItem(this.#prefix + name);
    if (!text) return false;
    try {
      for (const [field, value] of JSON.parse(text)) {
        const element = form.elements.namedItem(field);
        const isOpen = element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
        if (isOpen || (element instanceof HTMLSelectElement && [...element.options].some((each) => each.value === value))) {
          element.value = value;
        }
      }
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} name */
  drop(name) {
    this.#memory.delete(name);
    storage.session?.removeItem(this.#prefix + name);
  }
}
