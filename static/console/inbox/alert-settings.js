/** Which alerts the agent wants on this computer. The dialog is in the page; the settings are kept under the staff id. */

import { byId } from "../../chat/dom.js";
import { KINDS } from "./attention.js";
import { SharedRecord } from "./shared-record.js";

/** @import { AttentionKind } from "./attention.js" */

/** `off`: kinds without sound and notification. @typedef {{off: AttentionKind[], waitingMinutes: number}} Settings */

export class AlertSettings {
  /** @type {SharedRecord<Settings>} */
  #record;
  #dialog = /** @type {HTMLDialogElement} */ (byId("alerts"));

  /** @param {number} staff id of the staff member */
  constructor(staff) {
    this.#record = new SharedRecord(`lianxin.alerts.${staff}`, /** @type {Settings} */ ({ off: [], waitingMinutes: 3 }));
    this.#dialog.addEventListener("change", () => this.#keep());
  }

  open() {
    for (const kind of KINDS) this.#box(kind).checked = this.isOn(kind);
    this.#minutes.value = String(this.#record.value.waitingMinutes);
    this.#dialog.showModal();
  }

  /** @param {AttentionKind} kind */
  isOn(kind) {
    return !this.#record.value.off.includes(kind);
  }

  /** Seconds after which a waiting customer needs attention. */
  get waitingSeconds() {
    return this.#record.value.waitingMinutes * 60;
  }

  get #minutes() {
    return /** @type {HTMLSelectElement} */ (byId("alert-minutes"));
  }

  /** @param {AttentionKind} kind */
  #box(kind) {
    return /** @type {HTMLInputElement} */ (byId(`alert-${kind}`));
  }

  #keep() {
    this.#record.replace({ off: KINDS.filter((kind) => !this.#box(kind).checked), waitingMinutes: Number(this.#minutes.value) });
  }
}
