/** Fakes for the parts of a browser that the modules under test use: storage, page, clock, and a socket for the test to answer. */

/** @import { ServerToConsole, ServerToVisitor } from "../../static/chat/frames.d.ts" */

/** A Storage in memory. @returns {Storage} */
export function storage() {
  /** @type {Map<string, string>} */
  const values = new Map();
  return /** @type {Storage} */ ({
    get length() {
      return values.size;
    },
    key: (index) => [...values.keys()][index] ?? null,
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, String(value)),
    removeItem: (key) => void values.delete(key),
    clear: () => values.clear(),
  });
}

/** A Storage that the browser has blocked: each access throws. @returns {Storage} */
export function blockedStorage() {
  const refuse = () => {
    throw new DOMException("blocked", "SecurityError");
  };
  return /** @type {any} */ ({ getItem: refuse, setItem: refuse, removeItem: refuse });
}

/** A frame that a script has sent, as parsed from JSON. @typedef {{kind: string, [field: string]: any}} SentFrame */

export class FakeSocket {
  /** @type {FakeSocket[]} */
  static all = [];
  static get last() {
    return /** @type {FakeSocket} */ (FakeSocket.all.at(-1));
  }
  /** @type {SentFrame[]} */
  sent = [];
  isClosed = false;
  onopen = () => {};
  /** @type {(event: {data: string}) => void} */
  onmessage = () => {};
  /** @type {(event: {code: number}) => void} */
  onclose = () => {};

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  /** @param {ServerToVisitor | ServerToConsole} frame */
  answers(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  /** Opens the socket and answers with a welcome. @param {object} [welcome] */
  welcomes(welcome = {}) {
    this.onopen();
    this.answers({ kind: "welcome", token: "t1", heartbeat_seconds: 25, state: null, messages: [], recovered: true, ...welcome });
  }

  /** @param {string} kind */
  of(kind) {
    return this.sent.filter((frame) => frame.kind === kind);
  }
}

/** A clock that the test advances. Node's own mock timers lose a timer when one that has fired is cleared. */
export class Clock {
  now = Date.parse("2026-11-23T01:04:05.678Z");
  #count = 0;
  /** @type {Map<number, {at: number, then: () => void}>} */
  #timers = new Map();

  constructor() {
    Object.assign(globalThis, {
      setTimeout: (/** @type {() => void} */ then, ms = 0) => {
        this.#timers.set(++this.#count, { at: this.now + ms, then });
        return this.#count;
      },
      clearTimeout: (/** @type {number} */ id) => this.#timers.delete(id),
    });
    Date.now = () => this.now;
    performance.now = () => this.now;
  }

  /** @param {number} ms */
  tick(ms) {
    const until = this.now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= until).sort(([, one], [, other]) => one.at - other.at);
      if (!next) break;
      this.#timers.delete(next[0]);
      this.now = next[1].at;
      next[1].then();
    }
    this.now = until;
  }
}

/** The window and the document; the test dispatches their events. */
export const page = new EventTarget();
export const view = Object.assign(new EventTarget(), { visibilityState: "visible" });

/** Installs a fresh browser in the global scope. @param {{local?: Storage, session?: Storage}} [storages] */
export function openBrowser({ local = storage(), session = storage() } = {}) {
  FakeSocket.all = [];
  view.visibilityState = "visible";
  Object.assign(view, { getElementById: () => null });
  Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });
  Object.assign(globalThis, {
    HTMLProgressElement: class {},
    WebSocket: FakeSocket,
    document: view,
    window: { localStorage: local, sessionStorage: session },
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  });
}
