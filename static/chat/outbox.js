/** What was written and is not yet accepted. It survives a reload; where storage is blocked, the life of the page. */

export class Outbox {
  #storage;
  #key;
  #onChange;
  /** @type {OutboxEntry[]} */
  #entries = [];
  /** @type {Map<string, number>} until when an entry rests, by client_id */
  #resting = new Map();

  /** @param {{storage?: Storage | null, key: string, onChange?: () => void}} options */
  constructor({ storage, key, onChange = () => {} }) {
    this.#storage = storage;
    this.#key = key;
    this.#onChange = onChange;
    try {
      this.#entries = JSON.parse(storage?.getItem(key) ?? "[]");
    } catch {
      // Blocked or spoilt: begin empty.
    }
  }

  /** Every entry in the order written, refused ones too. */
  get entries() {
    return this.#entries;
  }

  /** @param {OutboxEntry} entry */
  add(entry) {
    this.#entries.push(entry);
    this.#keep();
  }

  /** Stores the entries as they are now: one of them was changed. */
  keep() {
    try {
      if (this.#entries.length) this.#storage?.setItem(this.#key, JSON.stringify(this.#entries));
      else this.#storage?.removeItem(this.#key);
    } catch {
      // Full or blocked: memory has them.
    }
  }

  /** @param {string} client_id */
  accepted(client_id) {
    this.#entries = this.#entries.filter((entry) => entry.client_id !== client_id);
    this.#resting.delete(client_id);
    this.#keep();
  }

  /**
   * @param {string} client_id
   * @param {{final: boolean, retryAfterMs?: number, words: string}} answer not final: it is tried again by itself
   */
  refused(client_id, { final, retryAfterMs = 0, words }) {
    const entry = this.#entries.find((each) => each.client_id === client_id);
    if (!entry) return;
    if (final) entry.refused = words;
    else {
      this.#resting.set(client_id, performance.now() + retryAfterMs);
      setTimeout(this.#onChange, retryAfterMs + 1);
    }
    this.#keep();
  }

  /** Tries a refused entry again, last in line. @param {string} client_id @param {Partial<OutboxEntry>} [changes] */
  retry(client_id, changes) {
    const entry = this.#entries.find((each) => each.client_id === client_id);
    if (entry?.refused === undefined) return;
    this.#entries = this.#entries.filter((each) => each !== entry);
    this.add({ ...entry, refused: undefined, ...changes });
  }

  /** Those to send now, in order: none overtakes one that rests. */
  pending() {
    const waiting = this.#entries.filter((entry) => entry.refused === undefined);
    const now = performance.now();
    const first = waiting.findIndex((entry) => (this.#resting.get(entry.client_id) ?? 0) > now);
    return first < 0 ? waiting : waiting.slice(0, first);
  }

  clear() {
    this.#entries = [];
    this.#resting.clear();
    this.#keep();
  }

  #keep() {
    this.keep();
    this.#onChange();
  }
}
