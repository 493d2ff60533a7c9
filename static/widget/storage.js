/** Stores the widget's data in the browser. If storage is blocked, the data lasts for the life of the page. */

/** @param {"localStorage" | "sessionStorage"} name @returns {Storage | null} */
function storageOf(name) {
  try {
    window[name].setItem("lianxin", "");
    window[name].removeItem("lianxin");
    return window[name];
  } catch {
    return null;
  }
}

export class BrowserStorage {
  #prefix;
  #local = storageOf("localStorage");
  session = storageOf("sessionStorage");
  /** @type {Map<string, string>} */
  #fallback = new Map();

  /** @param {string} site the site's key */
  constructor(site) {
    this.#prefix = `lianxin.${site}.`;
  }

  /** @param {string} name */
  key(name) {
    return this.#prefix + name;
  }

  /** The token of an open conversation, from any tab, or of a conversation that has ended in this tab. */
  get token() {
    const stored = this.#local?.getItem(this.key("token")) ?? this.session?.getItem(this.key("token"));
    return stored?.split(" ")[0] ?? "";
  }

  /**
   * Stores the token: for all tabs while the conversation is open, for this tab after it has ended, and otherwise not
   * at all.
   *
   * @param {string} token
   * @param {"open" | "ended" | "none"} stage of the conversation
   * @param {string} conversation its id. If another tab has started another conversation, the token of that one is kept
   */
  saveToken(token, stage, conversation) {
    const key = this.key("token");
    const value = `${token} ${conversation}`;
    const [, stored = ""] = this.#local?.getItem(key)?.split(" ") ?? [];
    if (stage === "open") put(this.#local, key, value);
    else if (!stored || stored === conversation) put(this.#local, key, null);
    put(this.session, key, stage === "ended" ? value : null);
  }

  /** Returns a value of this tab only, such as a draft or a start frame that has no answer. @param {string} name @returns {any} */
  get(name) {
    return JSON.parse(this.session?.getItem(this.key(name)) ?? this.#fallback.get(name) ?? "null");
  }

  /** @param {string} name @param {unknown} value null removes it */
  set(name, value) {
    const text = value ? JSON.stringify(value) : null;
    put(this.session, this.key(name), text);
    if (text) this.#fallback.set(name, text);
    else this.#fallback.delete(name);
  }

  /** Removes everything about the visitor. @param {boolean} isForAllTabs whether other tabs do the same */
  clear(isForAllTabs) {
    for (const name of ["token", "outbox", "draft", "start", "form", "rating", "answers"]) {
      put(this.#local, this.key(name), null);
      this.set(name, null);
    }
    if (!isForAllTabs) return;
    put(this.#local, this.key("left"), String(Date.now()));
    put(this.#local, this.key("left"), null);
  }

  /** @param {{left: () => void, token: (token: string) => void}} listeners called when another tab logs out or gets a token */
  listen({ left, token }) {
    addEventListener("storage", (event) => {
      if (event.key === this.key("left") && event.newValue) left();
      const [now, conversation] = (event.key === this.key("token") && event.newValue?.split(" ")) || [];
      // A token without a conversation belongs to a start that has no answer yet.
      if (now && conversation) token(now);
    });
  }
}

/** @param {Storage | null} where @param {string} key @param {string | null} value */
function put(where, key, value) {
  try {
    if (value === null) where?.removeItem(key);
    else where?.setItem(key, value);
  } catch {
    // Storage is full: the value lasts as long as the page.
  }
}
