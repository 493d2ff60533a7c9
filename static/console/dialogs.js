/** The forms that the server draws: hand over, close, note. htmx sends them; what fails stays as it was written. */

import { toast } from "./line.js";
import { fragment } from "./requests.js";

export class Dialogs {
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
  #words;

  /** @param {ChatWords} words @param {(what: string, conversation: string) => void} onDone */
  constructor(words, onDone) {
    this.#words = words;
    this.#dialog.addEventListener("click", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (target === this.#dialog || target.closest("[data-dismiss]")) this.#dialog.close();
    });
    this.#dialog.addEventListener("keydown", (event) => {
      const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (isSend && !event.isComposing) this.#dialog.querySelector("form")?.requestSubmit();
    });
    document.addEventListener("console:done", (event) => {
      this.#dialog.close();
      const { what, conversation } = /** @type {CustomEvent} */ (event).detail;
      onDone(what, conversation);
    });
    for (const name of ["htmx:sendError", "htmx:timeout"]) {
      document.addEventListener(name, () => this.#failed(this.#words.offline_write));
    }
    document.addEventListener("htmx:responseError", (event) => this.#refused(/** @type {CustomEvent} */ (event)));
  }

  /** @param {"transfer" | "close" | "note"} name @param {string} conversation */
  async open(name, conversation) {
    const body = /** @type {HTMLElement} */ (document.getElementById("dialog-body"));
    body.replaceChildren();
    if (!(await fragment(`conversations/${conversation}/forms/${name}`, "#dialog-body"))) {
      toast(this.#words.offline_write);
      return;
    }
    if (!this.#dialog.open) this.#dialog.showModal();
    /** @type {HTMLElement | null} */ (body.querySelector("select, textarea"))?.focus();
  }

  /** @param {CustomEvent} event */
  #refused(event) {
    try {
      this.#failed(JSON.parse(event.detail.xhr.responseText).refused.words);
    } catch {
      this.#failed(this.#words.failed);
    }
  }

  /** @param {string} words */
  #failed(words) {
    const line = /** @type {HTMLElement | null} */ (this.#dialog.querySelector(".form-failed"));
    if (!line) return;
    line.textContent = words;
    line.hidden = false;
  }
}
