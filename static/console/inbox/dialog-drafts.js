/** Unsent input of the forms in dialogs: one draft per form and conversation, in this tab's storage. */

import { storage } from "./drafts.js";

/** Fields that are not part of a draft. A note's client_id is part of it, because it identifies a note that is sent a second time. */
const EXCLUDED_FIELDS = new Set(["csrfmiddlewaretoken", "form_key"]);

export class DialogDrafts {
  #prefix;
  /** The drafts if storage is blocked; they last as long as the page is open. @type {Map<string, string>} */
  #memory = new Map();

  /** @param {string} staff id of the staff member to whom the drafts belong */
  constructor(staff) {
    this.#prefix = `lianxin.form.${staff}.`;
  }

  /** @param {string} name identifies the form and its conversation @param {HTMLFormElement} form */
  keep(name, form) {
    const typed = [...new FormData(form)].filter(([field, value]) => !EXCLUDED_FIELDS.has(field) && typeof value === "string");
    const text = JSON.stringify(typed);
    this.#memory.set(name, text);
    try {
      storage.session?.setItem(this.#prefix + name, text);
    } catch {
      // Storage is full: the draft is kept only in memory.
    }
  }

  /** Fills the form with its draft. @param {string} name @param {HTMLFormElement} form @returns {boolean} whether there was one */
  restore(name, form) {
    const text = this.#memory.get(name) ?? storage.session?.getItem(this.#prefix + name);
    if (!text) return false;
    try {
      for (const [field, value] of JSON.parse(text)) {
        const element = form.elements.namedItem(field);
        const isOpen = element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
        if (isOpen || (element instanceof HTMLSelectElement && [...element.options].some((option) => option.value === value))) {
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
