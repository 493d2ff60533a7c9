/**
 * The answers of a paper on their way to the server: each is kept in this tab until it has been accepted, and goes out
 * one after the other, the newest of each question only.
 */

const RETRY_MS = 2_000;
const SLOWEST_MS = 10_000;

/** What a place of storage can do; without one, answers live as long as the page. */
const NOWHERE = { getItem: () => null, setItem() {}, removeItem() {} };

export class Answers {
  #key;
  #send;
  #storage;
  #on;
  #now;
  /** @type {Map<number, {given: any[] | null, step: number}>} */
  #pending = new Map();
  #isSending = false;
  #isHeld = false;
  #wait = 0;
  #last = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} paper
   * @param {{send: (answer: {place: number, given: any[] | null, step: number}) => Promise<ConsoleAnswer>,
   *          storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">, now?: () => number,
   *          onChange: () => void, onOver: () => void, onSignedOut: () => void}} options
   */
  constructor(paper, { send, storage = NOWHERE, now = Date.now, onChange, onOver, onSignedOut }) {
    this.#key = `exam-${paper}`;
    this.#send = send;
    this.#storage = storage;
    this.#now = now;
    this.#on = { change: onChange, over: onOver, signedOut: onSignedOut };
    this.#read();
  }

  /** How many have not been accepted. */
  get waiting() {
    return this.#pending.size;
  }

  /** What was answered here and not accepted before the page was left, by place. */
  get kept() {
    return new Map([...this.#pending].map(([place, { given }]) => [place, given]));
  }

  /** Later than any before, also when the clock is put back. */
  step() {
    this.#last = Math.max(this.#now(), this.#last + 1);
    return this.#last;
  }

  /** @param {number} place @param {any[] | null} given */
  put(place, given) {
    this.#pending.set(place, { given, step: this.step() });
    this.#write();
    this.#on.change();
    void this.flush();
  }

  /** Sends what waits, at once. */
  async flush() {
    if (this.#isSending || this.#isHeld) return;
    clearTimeout(this.#timer);
    this.#isSending = true;
    while (this.#pending.size && (await this.#sendFirst()));
    this.#isSending = false;
    this.#on.change();
  }

  /** The page is being left: what is accepted from now on stays kept, and goes out once more from the next page. */
  hold() {
    this.#isHeld = true;
    clearTimeout(this.#timer);
    // Unless it was not left after all.
    this.#timer = setTimeout(() => {
      this.#isHeld = false;
      void this.flush();
    }, SLOWEST_MS);
  }

  /** The paper has been handed in: nothing of it stays in this tab. */
  forget() {
    clearTimeout(this.#timer);
    this.#pending.clear();
    this.#storage.removeItem(this.#key);
  }

  /** @returns {Promise<boolean>} whether to go on with the next */
  async #sendFirst() {
    const [[place, { given, step }]] = this.#pending;
    const answer = await this.#send({ place, given, step });
    if (this.#isHeld) return false;
    if (answer.ok || answer.status === 422) {
      this.#wait = 0;
      // Something newer may have been answered meanwhile.
      if (this.#pending.get(place)?.step === step) this.#pending.delete(place);
      this.#write();
      this.#on.change();
      return true;
    }
    if (answer.status === 401) this.#on.signedOut();
    else if (answer.status === 409 || answer.status === 404) {
      this.#on.over();
      return false;
    }
    this.#wait = Math.min(SLOWEST_MS, this.#wait + RETRY_MS);
    this.#timer = setTimeout(() => void this.flush(), this.#wait);
    return false;
  }

  #read() {
    try {
      for (const [place, kept] of JSON.parse(this.#storage.getItem(this.#key) ?? "[]")) {
        this.#pending.set(place, kept);
        this.#last = Math.max(this.#last, kept.step);
      }
    } catch {
      // Blocked, or not ours: then there is nothing to bring back.
    }
  }

  #write() {
    try {
      if (this.#pending.size) this.#storage.setItem(this.#key, JSON.stringify([...this.#pending]));
      else this.#storage.removeItem(this.#key);
    } catch {
      // Blocked or full: the answers still live as long as the page.
    }
  }
}
