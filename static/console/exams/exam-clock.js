/**
 * The time that is left of a paper. The server says how much; between its answers the time since the page was opened is
 * counted, which nobody can set. When nothing seems to be left the server is asked before anything is done about it.
 */

const AGAIN_MS = 3_000;

export class ExamClock {
  #ask;
  #now;
  #onOver;
  #end;
  #isAsking = false;
  #isOver = false;
  #askedAt = -Infinity;

  /**
   * @param {number} left ms, as the page was drawn
   * @param {{ask: () => Promise<{left_ms: number, is_over: boolean} | null>, onOver: () => void, now?: () => number}} options
   *   `ask`: null while the server does not answer
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

  /** @param {number} left ms, as the server has just said */
  correct(left) {
    this.#end = this.#now() + left;
  }

  /** To be called every second. */
  tick() {
    if (!this.left && this.#now() - this.#askedAt >= AGAIN_MS) void this.sync();
  }

  /** Takes the server's time: a laptop that slept has counted nothing meanwhile. */
  async sync() {
    if (this.#isAsking || this.#isOver) return;
    this.#isAsking = true;
    this.#askedAt = this.#now();
    const said = await this.#ask();
    this.#isAsking = false;
    if (!said) return;
    this.correct(said.left_ms);
    if (!said.is_over) return;
    this.#isOver = true;
    this.#onOver();
  }
}
