/** What the box keeps in this browser, and where. Where storage is blocked, it keeps it for the life of the page. */

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

export class Memory {
  #prefix;
  #local = storageOf("localStorage");
  session = storageOf("sessionStorage");
  /** @type {Map<string, string>} */
  #here = new Map();

  /** @param {string} site key */
  constructor(site) {
    this.#prefix = `lianxin.${site}.`;
  }

  /** @param {string} name */
  key(name) {
    return this.#prefix + name;
  }

  /** The token of an open conversation (any tab), or of one that ended in this tab. */
  get token() {
    const kept = this.#local?.getItem(this.key("token")) ?? this.session?.getItem(this.key("token"));
    return kept?.split(" ")[0] ?? "";
  }

  /**
   * @param {string} token
   * @param {"open" | "ended" | "none"} stage of the conversation
   * @param {string} conversation what another tab has begun since stays
   */
  keepToken(token, stage, conversation) {
    const key = this.key("token");
    const kept = `${token} ${conversation}`;
    const [, held = ""] = this.#local?.getItem(key)?.split(" ") ?? [];
    if (stage === "open") put(this.#local, key, kept);
    else if (!held || held === conversation) put(this.#local, key, null);
    put(this.session, key, stage === "ended" ? kept : null);
  }

  /** What only this tab keeps: a draft, the beginning of a conversation. @param {string} name @returns {any} */
  get(name) {
    return JSON.parse(this.session?.getItem(this.key(name)) ?? this.#here.get(name) ?? "null");
  }

  /** @param {string} name @param {unknown} value null removes it */
  set(name, value) {
    const text = value ? JSON.stringify(value) : null;
    put(this.session, this.key(name), text);
    if (text) this.#here.set(name, text);
    else this.#here.delete(name);
  }

  /** Nothing of anybody stays. @param {boolean} isTold whether other tabs do the same */
  clear(isTold) {
    for (const name of ["token", "outbox", "draft", "start", "form", "rating", "answers"]) {
      put(this.#local, this.key(name), null);
      this.set(name, null);
    }
    if (!isTold) return;
    put(this.#local, this.key("left"), String(Date.now()));
    put(this.#local, this.key("left"), null);
  }

  /** @param {{left: () => void, token: (token: string) => void}} heard from other tabs */
  listen({ left, token }) {
    addEventListener("storage", (event) => {
      if (event.key === this.key("left") && event.newValue) left();
      const [now, conversation] = (event.key === this.key("token") && event.newValue?.split(" ")) || [];
      // Without a conversation it has only been asked for.
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
    // Full: it lasts as long as the page.
  }
}
