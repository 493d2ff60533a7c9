/** The forms that the server draws: hand over, close, note. htmx sends them; what fails stays as it was written. */

import { DialogDrafts } from "./dialog-drafts.js";
import { toast } from "./connection-status.js";
import { fragment } from "../requests.js";

export class Dialogs {
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById("dialog"));
  #words;
  #drafts = new DialogDrafts(document.body.dataset.staff ?? "");
  /** The form that is open and its conversation, "" for none. */
  #name = "";
  /** Whether the press that is under way began outside. */
  #beganOutside = false;

  /** @param {ChatWords} words @param {(what: string, conversation: string) => void} onDone */
  constructor(words, onDone) {
    this.#words = words;
    // A selection that ends outside is no wish to close: only a press that begins and ends on the backdrop is.
    this.#dialog.addEventListener("pointerdown", (event) => (this.#beganOutside = this.#isOutside(event)));
    this.#dialog.addEventListener("click", (event) => {
      const isDismissed = /** @type {HTMLElement} */ (event.target).closest("[data-dismiss]");
      if (isDismissed) this.#drafts.drop(this.#name);
      if (isDismissed || (this.#beganOutside && this.#isOutside(event))) this.#dialog.close();
    });
    // Kept as it is typed: by whatever way the dialog or the page goes, it is there again.
    this.#dialog.addEventListener("input", () => {
      const form = this.#dialog.querySelector("form");
      if (form && this.#name) this.#drafts.keep(this.#name, form);
    });
    this.#dialog.addEventListener("keydown", (event) => {
      const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (isSend && !event.isComposing) this.#dialog.querySelector("form")?.requestSubmit();
    });
    document.addEventListener("console:done", (event) => {
      this.#drafts.drop(this.#name);
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
    this.#name = "";
    if (!(await fragment(`conversations/${conversation}/forms/${name}`, "#dialog-body"))) {
      toast(this.#words.offline_write);
      return;
    }
    const form = body.querySelector("form");
    this.#name = `${name}.${conversation}`;
    if (form && this.#drafts.restore(this.#name, form)) this.#failed(this.#words.typed_before, "status");
    if (!this.#dialog.open) this.#dialog.showModal();
    /** @type {HTMLElement | null} */ (body.querySelector("select, textarea"))?.focus();
  }

  /** On the backdrop: the dialog's own padding is inside. @param {MouseEvent} event */
  #isOutside({ target, clientX, clientY }) {
    if (target !== this.#dialog) return false;
    const { left, right, top, bottom } = this.#dialog.getBoundingClientRect();
    return clientX < left || clientX > right || clientY < top || clientY > bottom;
  }

  /** @param {CustomEvent} event */
  #refused(event) {
    try {
      this.#failed(JSON.parse(event.detail.xhr.responseText).refused.words);
    } catch {
      this.#failed(this.#words.failed);
    }
  }

  /** @param {string} words @param {"alert" | "status"} [role] */
  #failed(words, role = "alert") {
    const line = /** @type {HTMLElement | null} */ (this.#dialog.querySelector(".form-failed"));
    if (!line) return;
    line.setAttribute("role", role);
    line.textContent = words;
    line.hidden = false;
  }
}
