/** The dialogs with forms rendered by the server: transfer, close, note. htmx sends them; a form that fails keeps its input. */

import { byId } from "../../chat/dom.js";
import { DialogDrafts } from "./dialog-drafts.js";
import { toast } from "./connection-status.js";
import { fragment } from "../requests.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */

export class Dialogs {
  #dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
  #strings;
  #drafts = new DialogDrafts(document.body.dataset.staff ?? "");
  /** Name under which the open form's draft is kept, made from the form and its conversation; "" for none. */
  #draftName = "";
  /** Whether the mouse was pressed on the backdrop. */
  #pressBeganOutside = false;

  /** @param {UiStrings} strings @param {(what: string, conversation: string) => void} onDone */
  constructor(strings, onDone) {
    this.#strings = strings;
    // Close only on a click that begins and ends on the backdrop: a text selection may end there too.
    this.#dialog.addEventListener("pointerdown", (event) => (this.#pressBeganOutside = this.#isOutside(event)));
    this.#dialog.addEventListener("click", (event) => {
      const isDismissed = /** @type {HTMLElement} */ (event.target).closest("[data-dismiss]");
      if (isDismissed) this.#drafts.drop(this.#draftName);
      if (isDismissed || (this.#pressBeganOutside && this.#isOutside(event))) this.#dialog.close();
    });
    // Save the draft on every input, so that it survives every way of closing the dialog or the page.
    this.#dialog.addEventListener("input", () => {
      const form = this.#dialog.querySelector("form");
      if (form && this.#draftName) this.#drafts.keep(this.#draftName, form);
    });
    this.#dialog.addEventListener("keydown", (event) => {
      const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (isSend && !event.isComposing) this.#dialog.querySelector("form")?.requestSubmit();
    });
    document.addEventListener("console:done", (event) => {
      this.#drafts.drop(this.#draftName);
      this.#dialog.close();
      const { what, conversation } = /** @type {CustomEvent} */ (event).detail;
      onDone(what, conversation);
    });
    for (const name of ["htmx:sendError", "htmx:timeout"]) {
      document.addEventListener(name, () => this.#showFailure(this.#strings.offline_write));
    }
    document.addEventListener("htmx:responseError", (event) => this.#showRefusal(/** @type {CustomEvent} */ (event)));
  }

  /** @param {"transfer" | "close" | "note"} name @param {string} conversation */
  async open(name, conversation) {
    if (!(await this.show(`conversations/${conversation}/forms/${name}`))) return;
    const body = byId("dialog-body");
    const form = body.querySelector("form");
    this.#draftName = `${name}.${conversation}`;
    if (form && this.#drafts.restore(this.#draftName, form)) this.#showFailure(this.#strings.typed_before, "status");
    /** @type {HTMLElement | null} */ (body.querySelector("select, textarea"))?.focus();
  }

  /** Shows a fragment of the server in the dialog. @param {string} path below BASE @returns {Promise<boolean>} whether it did */
  async show(path) {
    byId("dialog-body").replaceChildren();
    this.#draftName = "";
    const isShown = await fragment(path, "#dialog-body");
    if (!isShown) toast(this.#strings.offline_write);
    else if (!this.#dialog.open) this.#dialog.showModal();
    return isShown;
  }

  /**
   * Tells whether the event is on the backdrop. The dialog's own padding does not count as the backdrop.
   *
   * @param {MouseEvent} event
   */
  #isOutside({ target, clientX, clientY }) {
    if (target !== this.#dialog) return false;
    const { left, right, top, bottom } = this.#dialog.getBoundingClientRect();
    return clientX < left || clientX > right || clientY < top || clientY > bottom;
  }

  /** @param {CustomEvent} event */
  #showRefusal(event) {
    try {
      this.#showFailure(JSON.parse(event.detail.xhr.responseText).refused.words);
    } catch {
      this.#showFailure(this.#strings.failed);
    }
  }

  /** @param {string} message @param {"alert" | "status"} [role] */
  #showFailure(message, role = "alert") {
    const failure = /** @type {HTMLElement | null} */ (this.#dialog.querySelector(".form-failed"));
    if (!failure) return;
    failure.setAttribute("role", role);
    failure.textContent = message;
    failure.hidden = false;
  }
}
