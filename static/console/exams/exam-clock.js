/**
 * Counts down the time left for an exam paper. The time left comes from the server; between the server's answers, it is
 * counted down by the monotonic `performance.now()`. When the time seems to be over, the page asks the server before it
 * hands in the paper.
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
   *   `ask`: fetches the time left from the server, null without an answer; `onOver`: called once, when the server says
   *   that the time is over
   */
  constructor(left, { ask, onOver, now = () => performance.now() }) {
    this.#ask = ask;
    this.#now = now;
    this.#onOver = onOver;
    this.#end = now() + left;
  }

  /** The milliseconds left, never below 0. */
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

  /** Asks the server for the time left when the time seems to be over. Must be called every second. */
  tick() {
    if (!this.left && this.#now() - this.#syncedAt >= RESYNC_MS) void this.sync();
  }

  /** Fetches the time left from the server, because `performance.now()` may stand still while a laptop sleeps. */
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
