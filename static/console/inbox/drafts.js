/** Unsent messages: one draft per conversation, in this tab's storage. A draft never moves to another conversation. */

/**
 * @typedef {object} Draft
 * @property {string} body
 * @property {string[]} choices
 * @property {string} source of the knowledge point from which the text was made, or ""
 */

/** Session storage; null where it is blocked. */
export const storage = {
  /** @returns {Storage | null} */
  get session() {
    try {
      return sessionStorage;
    } catch {
      return null;
    }
  },

  /** @returns {string[]} */
  keys() {
    return Object.keys(this.session ?? {});
  },

  /** Removes our items from this tab's storage: other people may use this computer. */
  forget() {
    for (const key of this.keys()) if (key.startsWith("lianxin.")) this.session?.removeItem(key);
  },
};

export class Drafts {
  #prefix;
  /** @type {Map<string, Draft>} */
  #drafts = new Map();

  /** @param {number} staff id of the staff member to whom the drafts belong */
  constructor(staff) {
    this.#prefix = `lianxin.draft.${staff}.`;
  }

  /** Returns the draft of a conversation; empty if there is none. @param {string} id @returns {Draft} */
  of(id) {
    const known = this.#drafts.get(id);
    if (known) return known;
    try {
      const stored = JSON.parse(storage.session?.getItem(this.#prefix + id) ?? "null");
      if (stored) return { body: String(stored.body), choices: stored.choices.map(String), source: String(stored.source ?? "") };
    } catch {
      // The stored draft is invalid: start with an empty one.
    }
    return { body: "", choices: [], source: "" };
  }

  /** @param {string} id @param {Draft} draft */
  keep(id, draft) {
    this.#drafts.set(id, draft);
    try {
      if (draft.body || draft.choices.some(Boolean)) {
        storage.session?.setItem(this.#prefix + id, JSON.stringify(draft));
      } else storage.session?.removeItem(this.#prefix + id);
    } catch {
      // Storage is full: the draft is kept only in memory.
    }
  }
}
