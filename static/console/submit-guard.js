/**
 * Runs an action once for each intended press of its button. While the action runs, a further press does not start it
 * again. Nor does a press in the moment afterwards, unless another action was started in between. Only actions that
 * return a promise are guarded.
 */

const SETTLE_MS = 600;

export class SubmitGuard {
  /** @type {Set<string>} */
  #running = new Set();
  /** Timers of the actions that ended just now, by name. @type {Map<string, number>} */
  #settling = new Map();

  /**
   * @param {string} name of the action; its buttons carry it as `data-do`
   * @param {() => unknown} act
   * @returns {Promise<void>}
   */
  async run(name, act) {
    for (const other of this.#settling.keys()) if (other !== name) this.#release(other);
    if (this.#running.has(name)) return;
    const pending = act();
    if (!(pending instanceof Promise)) return;
    this.#running.add(name);
    this.#showState(name);
    try {
      await pending;
    } finally {
      // Wait a little after the action has ended, because an impatient second press may come just then.
      this.#settling.set(name, setTimeout(() => this.#release(name), SETTLE_MS));
    }
  }

  /** @param {string} name */
  #release(name) {
    clearTimeout(this.#settling.get(name));
    this.#settling.delete(name);
    this.#running.delete(name);
    this.#showState(name);
  }

  /** @param {string} name */
  #showState(name) {
    for (const button of document.querySelectorAll(`[data-do="${CSS.escape(name)}"]`)) {
      button.ariaDisabled = button.ariaBusy = this.#running.has(name) ? "true" : null;
    }
  }
}
