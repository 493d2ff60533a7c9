/** What is written and not sent: one draft for each conversation, in this tab's storage. It never crosses to another. */

/** Session storage, or the life of the page where it is blocked. */
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

  /** On a computer that others use, nothing stays behind. */
  forget() {
    for (const key of this.keys()) if (key.startsWith("lianxin.")) this.session?.removeItem(key);
  },
};

export class Drafts {
  #prefix;
  /** @type {Map<string, ConsoleDraft>} */
  #drafts = new Map();

  /** @param {number} staff */
  constructor(staff) {
    this.#prefix = `lianxin.draft.${staff}.`;
  }

  /** @param {string} id of a conversation @returns {ConsoleDraft} */
  of(id) {
    const known = this.#drafts.get(id);
    if (known) return known;
    try {
      const kept = JSON.parse(storage.session?.getItem(this.#prefix + id) ?? "null");
      if (kept) return { body: String(kept.body), choices: kept.choices.map(String), source: String(kept.source ?? "") };
    } catch {
      // Spoilt: begin empty.
    }
    return { body: "", choices: [], source: "" };
  }

  /** @param {string} id @param {ConsoleDraft} draft */
  keep(id, draft) {
    this.#drafts.set(id, draft);
    try {
      if (draft.body || draft.choices.some(Boolean)) {
        storage.session?.setItem(this.#prefix + id, JSON.stringify(draft));
      } else storage.session?.removeItem(this.#prefix + id);
    } catch {
      // Full: memory has it.
    }
  }
}
