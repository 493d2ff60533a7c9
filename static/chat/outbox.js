/**
 * Keeps messages until the server accepts them. They are kept in the browser's storage, so they survive a reload. If
 * storage is blocked, they are kept as long as the page is open.
 */

/**
 * @typedef {object} OutboxEntry
 * @property {string} client_id
 * @property {string} body
 * @property {string} at
 * @property {string} [conversation] in which it was written; absent for a message that starts a conversation
 * @property {string} [refused] the server's reason, if it refused the message for good
 * @property {string[]} [choices] quick replies that an agent sends with the message
 * @property {string} [source] names the knowledge point or branch from which an agent made the text
 */

export class Outbox {
  #storage;
  #key;
  #onChange;
  /** @type {OutboxEntry[]} */
  #entries = [];
  /** @type {Map<string, number>} the time of the next try, by client_id, of entries that must wait */
  #retryAt = new Map();

  /** @param {{storage?: Storage | null, key: string, onChange?: () => void}} options */
  constructor({ storage, key, onChange = () => {} }) {
    this.#storage = storage;
    this.#key = key;
    this.#onChange = onChange;
    try {
      this.#entries = JSON.parse(storage?.getItem(key) ?? "[]");
    } catch {
      // Storage is blocked or its content is invalid: start empty.
    }
  }

  /** All entries in the order in which they were written, including refused ones. */
  get entries() {
    return this.#entries;
  }

  /** @param {OutboxEntry} entry */
  add(entry) {
    this.#entries.push(entry);
    this.#changed();
  }

  /** Stores the entries again after one of them was changed. */
  keep() {
    try {
      if (this.#entries.length) this.#storage?.setItem(this.#key, JSON.stringify(this.#entries));
      else this.#storage?.removeItem(this.#key);
    } catch {
      // Storage is full or blocked: the entries stay in memory.
    }
  }

  /** @param {string} client_id */
  accepted(client_id) {
    this.#entries = this.#entries.filter((entry) => entry.client_id !== client_id);
    this.#retryAt.delete(client_id);
    this.#changed();
  }

  /**
   * @param {string} client_id
   * @param {{final: boolean, retryAfterMs?: number, reason: string}} answer if not final, the entry is sent again automatically
   */
  refused(client_id, { final, retryAfterMs = 0, reason }) {
    const entry = this.#entries.find((kept) => kept.client_id === client_id);
    if (!entry) return;
    if (final) entry.refused = reason;
    else {
      this.#retryAt.set(client_id, performance.now() + retryAfterMs);
      setTimeout(this.#onChange, retryAfterMs + 1);
    }
    this.#changed();
  }

  /** Moves a refused entry to the end of the queue and tries it again. @param {string} client_id @param {Partial<OutboxEntry>} [changes] */
  retry(client_id, changes) {
    const entry = this.#entries.find((kept) => kept.client_id === client_id);
    if (entry?.refused === undefined) return;
    this.#entries = this.#entries.filter((kept) => kept !== entry);
    this.add({ ...entry, refused: undefined, ...changes });
  }

  /** The entries to send now, in order. An entry that must wait also holds back the entries after it. */
  pending() {
    const waiting = this.#entries.filter((entry) => entry.refused === undefined);
    const now = performance.now();
    const first = waiting.findIndex((entry) => (this.#retryAt.get(entry.client_id) ?? 0) > now);
    return first < 0 ? waiting : waiting.slice(0, first);
  }

  clear() {
    this.#entries = [];
    this.#retryAt.clear();
    this.#changed();
  }

  #changed() {
    this.keep();
    this.#onChange();
  }
}
