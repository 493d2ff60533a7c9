/**
 * Sends the answers of an exam paper to the server. An answer is kept in this tab's storage until the server has accepted
 * it or has refused it as invalid. Answers are sent one after the other, and only the newest answer to each question.
 */

/** @import { ConsoleAnswer } from "../requests.js" */

/**
 * The options or the text that an examinee gave; null if the answer was cleared. @typedef {(number | string)[] | null} Given
 */
/**
 * An answer to a question of the paper, in the form in which it is sent.
 *
 * @typedef {object} ExamAnswer
 * @property {number} place position of the question in the paper, from 1
 * @property {Given} given
 * @property {string} page identifies this load of the page
 * @property {number} step the number of the answer in that load
 * @property {number} seen the newest revision of the stored answer that this page had seen
 */
/** An answer as the server has stored it. @typedef {{given: Given, revision: number, is_newer: boolean, left_ms: number}} StoredAnswer */

const RETRY_MS = 2_000;
const MAX_RETRY_MS = 10_000;

/** Used if the browser's storage is blocked: answers are then kept only as long as the page is open. */
const NO_STORAGE = { getItem: () => null, setItem() {}, removeItem() {} };

export class ExamAnswers {
  #key;
  #send;
  #storage;
  #on;
  #page;
  /** @type {Map<number, ExamAnswer>} */
  #pending = new Map();
  /**
   * The newest revision of each question's answer that this page has seen, by the question's place.
   *
   * @type {Map<number, number>}
   */
  #revisions = new Map();
  #isSending = false;
  #isLeaving = false;
  #retryDelay = 0;
  #step = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} paper
   * @param {{send: (answer: ExamAnswer) => Promise<ConsoleAnswer<StoredAnswer>>, page?: string,
   *          storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">,
   *          onChange: () => void, onOver: () => void, onSignedOut: () => void,
   *          onAccepted?: (place: number, accepted: StoredAnswer) => void}} options
   *   `page`: id of this load of the page; `onOver`: the server accepts no more answers; `place`: position of the
   *   question in the paper, from 1
   */
  constructor(paper, options) {
    const { send, page = crypto.randomUUID(), storage = NO_STORAGE, onChange, onOver, onSignedOut } = options;
    this.#key = `exam-${paper}`;
    this.#send = send;
    this.#storage = storage;
    this.#page = page;
    this.#on = { change: onChange, over: onOver, signedOut: onSignedOut, accepted: options.onAccepted ?? (() => {}) };
    this.#restore();
  }

  /** The number of answers that the server has not accepted yet. */
  get waiting() {
    return this.#pending.size;
  }

  /** The answers that the server has not accepted yet, by place. After a reload they come from storage. */
  get stored() {
    return new Map([...this.#pending].map(([place, { given }]) => [place, given]));
  }

  /** The answers that the server has not accepted yet, in the format in which they are sent. @returns {ExamAnswer[]} */
  get unsent() {
    return [...this.#pending.values()];
  }

  /** Records that the answer with this revision is on the screen. @param {number} place @param {number} revision */
  setRevision(place, revision) {
    this.#revisions.set(place, Math.max(revision, this.#revisions.get(place) ?? 0));
  }

  /** Queues a new answer for sending. @param {number} place @param {Given} given null if the answer was cleared */
  put(place, given) {
    const seen = this.#revisions.get(place) ?? 0;
    this.#step += 1;
    this.#pending.set(place, { place, given, page: this.#page, step: this.#step, seen });
    this.#store();
    this.#on.change();
    void this.flush();
  }

  /** Sends the waiting answers immediately. */
  async flush() {
    if (this.#isSending || this.#isLeaving) return;
    clearTimeout(this.#timer);
    this.#isSending = true;
    while (this.#pending.size && (await this.#sendFirst()));
    this.#isSending = false;
    this.#on.change();
  }

  /**
   * Must be called when the person leaves the page. From then on, accepted answers stay in storage, and the next page sends
   * them again.
   */
  hold() {
    this.#isLeaving = true;
    clearTimeout(this.#timer);
    // Continue as before if the person did not leave the page after all.
    this.#timer = setTimeout(() => {
      this.#isLeaving = false;
      void this.flush();
    }, MAX_RETRY_MS);
  }

  /** Removes the answers of the paper from this tab's storage, after the paper was handed in. */
  forget() {
    clearTimeout(this.#timer);
    this.#pending.clear();
    this.#storage.removeItem(this.#key);
  }

  /** @returns {Promise<boolean>} whether to continue with the next answer */
  async #sendFirst() {
    const [[place, first]] = this.#pending;
    const answer = await this.#send(first);
    if (this.#isLeaving) return false;
    if (answer.ok || answer.status === 422) {
      this.#retryDelay = 0;
      // Remove only the answer that was sent: a newer answer to this question may have been queued meanwhile.
      if (this.#pending.get(place) === first) this.#pending.delete(place);
      this.#store();
      if (answer.data) this.setRevision(place, answer.data.revision);
      if (answer.data && !this.#pending.has(place)) this.#on.accepted(place, answer.data);
      this.#on.change();
      return true;
    }
    if (answer.status === 401) this.#on.signedOut();
    else if (answer.status === 409 || answer.status === 404) {
      this.#on.over();
      return false;
    }
    this.#retryDelay = Math.min(MAX_RETRY_MS, this.#retryDelay + RETRY_MS);
    this.#timer = setTimeout(() => void this.flush(), this.#retryDelay);
    return false;
  }

  #restore() {
    try {
      for (const [place, stored] of JSON.parse(this.#storage.getItem(this.#key) ?? "[]")) {
        this.#pending.set(place, { ...stored, place });
      }
    } catch {
      // Storage is blocked or its content is invalid: there is nothing to restore.
    }
  }

  #store() {
    try {
      if (this.#pending.size) this.#storage.setItem(this.#key, JSON.stringify([...this.#pending]));
      else this.#storage.removeItem(this.#key);
    } catch {
      // Storage is blocked or full: the answers are kept only as long as the page is open.
    }
  }
}
