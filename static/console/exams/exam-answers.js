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
  #page;
  /** @type {Map<number, ExamAnswer>} */
  #pending = new Map();
  /** What the server holds of each question, as far as this page has seen it. @type {Map<number, number>} */
  #revisions = new Map();
  #isSending = false;
  #isHeld = false;
  #wait = 0;
  #step = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} paper
   * @param {{send: (answer: ExamAnswer) => Promise<ConsoleAnswer>, page?: string,
   *          storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">,
   *          onChange: () => void, onOver: () => void, onSignedOut: () => void,
   *          onAccepted?: (place: number, said: {given: any[] | null, revision: number, is_newer: boolean, left_ms: number}) => void}} options
   *   `page`: the name of this load of the page
   */
  constructor(paper, options) {
    const { send, page = crypto.randomUUID(), storage = NOWHERE, onChange, onOver, onSignedOut } = options;
    this.#key = `exam-${paper}`;
    this.#send = send;
    this.#storage = storage;
    this.#page = page;
    this.#on = { change: onChange, over: onOver, signedOut: onSignedOut, accepted: options.onAccepted ?? (() => {}) };
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

  /** What has not been accepted, as it is sent. @returns {ExamAnswer[]} */
  get unsent() {
    return [...this.#pending.values()];
  }

  /** The answer with this revision is on the screen. @param {number} place @param {number} revision */
  saw(place, revision) {
    this.#revisions.set(place, Math.max(revision, this.#revisions.get(place) ?? 0));
  }

  /** @param {number} place @param {any[] | null} given */
  put(place, given) {
    const seen = this.#revisions.get(place) ?? 0;
    this.#step += 1;
    this.#pending.set(place, { place, given, page: this.#page, step: this.#step, seen });
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
    const [[place, first]] = this.#pending;
    const answer = await this.#send(first);
    if (this.#isHeld) return false;
    if (answer.ok || answer.status === 422) {
      this.#wait = 0;
      // Something newer may have been answered meanwhile.
      if (this.#pending.get(place) === first) this.#pending.delete(place);
      this.#write();
      if (answer.data) this.saw(place, answer.data.revision);
      if (answer.data && !this.#pending.has(place)) this.#on.accepted(place, answer.data);
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
        this.#pending.set(place, { ...kept, place });
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
