/** Rings while an emergency waits to be confirmed, and announces new ones to screen readers. */

import { byId } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */

const REPEAT_MS = 15_000;
/** The lock of the tab of the inbox that plays sounds. */
const INBOX_LOCK = "lianxin-alerts";

export class EmergencyBell {
  #strings;
  #title = document.title;
  #sound = /** @type {HTMLAudioElement} */ (byId("sound"));
  /** Whether this is the one board that rings. */
  #isLeader = false;
  /** @type {Set<string>} ids of the elements of the emergencies that were announced */
  #known = new Set();
  #rungAt = -Infinity;

  /** @param {UiStrings} strings */
  constructor(strings) {
    this.#strings = strings;
    if (!navigator.locks) this.#isLeader = true;
    else {
      void navigator.locks.request("lianxin-board-alerts", () => {
        this.#isLeader = true;
        return new Promise(() => {});
      });
    }
    setInterval(() => void this.#ring(), 1000);
  }

  /** Call it when the board has been drawn. */
  update() {
    const ids = this.#ids();
    document.title = ids.length ? `(${ids.length}!) ${this.#title}` : this.#title;
    if (ids.some((id) => !this.#known.has(id))) {
      byId("announce").textContent = fill(this.#strings.emergencies, { count: ids.length });
      this.#rungAt = -Infinity;
    }
    this.#known = new Set(ids);
    void this.#ring();
  }

  #ids() {
    return [...document.querySelectorAll(".emergency")].map((element) => element.id);
  }

  async #ring() {
    if (!this.#isLeader || !this.#known.size || performance.now() - this.#rungAt < REPEAT_MS) return;
    this.#rungAt = performance.now();
    // If the inbox is open in another tab, it rings.
    const locks = await navigator.locks?.query();
    if (locks?.held?.some(({ name }) => name === INBOX_LOCK)) return;
    document.documentElement.dataset.rung = String(Number(document.documentElement.dataset.rung ?? 0) + 1);
    this.#sound.currentTime = 0;
    // Browsers block sound until the first click on a page; the title still changes.
    this.#sound.play().catch(() => {});
  }
}
