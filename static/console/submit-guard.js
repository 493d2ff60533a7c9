/**
 * One press, one act: while an action runs, and for a moment after it, the same action is not begun again. Whoever has
 * done something else since means a press.
 */

const SETTLE_MS = 600;

export class Once {
  /** @type {Set<string>} */
  #running = new Set();
  /** Those whose answer has come: their timers. @type {Map<string, number>} */
  #settling = new Map();

  /**
   * @param {string} name of the action; its buttons bear it as `data-do`
   * @param {() => unknown} act
   * @returns {Promise<void>}
   */
  async run(name, act) {
    for (const other of this.#settling.keys()) if (other !== name) this.#free(other);
    if (this.#running.has(name)) return;
    const pending = act();
    if (!(pending instanceof Promise)) return;
    this.#running.add(name);
    this.#mark(name);
    try {
      await pending;
    } finally {
      // An impatient press may come just after the answer has.
      this.#settling.set(name, setTimeout(() => this.#free(name), SETTLE_MS));
    }
  }

  /** @param {string} name */
  #free(name) {
    clearTimeout(this.#settling.get(name));
    this.#settling.delete(name);
    this.#running.delete(name);
    this.#mark(name);
  }

  /** @param {string} name */
  #mark(name) {
    for (const button of document.querySelectorAll(`[data-do="${CSS.escape(name)}"]`)) {
      button.ariaDisabled = button.ariaBusy = this.#running.has(name) ? "true" : null;
    }
  }
}
