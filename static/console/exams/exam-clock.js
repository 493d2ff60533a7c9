/**
 * Counts the remaining time of a paper. The server says how much is left; in between, the monotonic `performance.now()`
 * counts down. When the time seems to be over, the server is asked before the paper is handed in.
 */

const RESYNC_MS = 3_000;

export class ExamClock {
  #ask;
  #now;
  #onOver;
  #end;
  #isSyncing = false;
  #isOver = false;
  #syncedAt = -Infinity;

  /**
   * @param {number} left milliseconds left when the page was rendered
   * @param {{ask: () => Promise<{left_ms: number, is_over: boolean} | null>, onOver: () => void, now?: () => number}} options
   *   `ask`: fetches the server's time, null without an answer; `onOver`: called once, when the server says it is over
   */
  constructor(left, { ask, onOver, now = () => performance.now() }) {
    this.#ask = ask;
    this.#now = now;
    this.#onOver = onOver;
    this.#end = now() + left;
  }

  /** Milliseconds until the end, never below 0. */
  get left() {
    return Math.max(0, this.#end - this.#now());
  }

  get isOver() {
    return this.#isOver;
  }

  /** @param {number} left milliseconds left according to the server */
  correct(left) {
    this.#end = this.#now() + left;
  }

  /** Call every second: asks the server when the time seems to be over. */
  tick() {
    if (!this.left && this.#now() - this.#syncedAt >= RESYNC_MS) void this.sync();
  }

  /** Fetches the server's time: `performance.now()` may stand still while a laptop sleeps. */
  async sync() {
    if (this.#isSyncing || this.#isOver) return;
    this.#isSyncing = true;
    this.#syncedAt = this.#now();
    const time = await this.#ask();
    this.#isSyncing = false;
    if (!time) return;
    this.correct(time.left_ms);
    if (!time.is_over) return;
    this.#isOver = true;
    this.#onOver();
  }
}
