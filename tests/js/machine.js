/** Browsers for tests/machine: the widget's and the console's own modules in many tabs of one Node process, on the test's clock.
 *
 * Standard input: one JSON line for each step, {now, do: [[tab, what, ...], ...], show, seed}. With a `seed`, all browsers
 * are reset. Otherwise, the clock first advances to `now` (ms), and timers that are due fire. Standard output: one line for
 * each step, {out, next, screens, errors}: the network actions of the tabs, the time of the next timer (null: none), what
 * each tab shows (only with `show`), and the errors thrown.
 */

import { readSync, writeSync } from "node:fs";
import { BrowserStorage } from "../../static/widget/storage.js";
import { Session } from "../../static/widget/session.js";
import { Outbox } from "../../static/chat/outbox.js";
import { Thread } from "../../static/chat/thread.js";
import { LiveConnection } from "../../static/console/inbox/live-connection.js";
import { Outboxes } from "../../static/console/inbox/outboxes.js";
import { Store } from "../../static/console/inbox/store.js";
import { storage } from "./browser.js";

/** @import { MessageData } from "../../static/chat/frames.d.ts" */

const inTheEnd = /** @type {any} */ (globalThis).setImmediate;
const settled = () => new Promise((resolve) => inTheEnd(resolve));
const RealDate = Date;

let now = 0;
let count = 0;
let chance = 1;
/** @type {any[][]} */
let out = [];
/** @type {string[]} */
let errors = [];
/** @type {Map<string, Tab>} */
const tabs = new Map();
/** @type {Map<string, Storage>} the local storage that the tabs of one browser share */
const profiles = new Map();
/** @type {Map<number, {at: number, tab: Tab, then: () => void}>} */
const timers = new Map();
/** @type {Map<string, Wire>} */
const wires = new Map();
/** @type {Map<string, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
const requests = new Map();
/** @type {{tab: Tab, then: () => void}[]} storage events that are not dispatched yet */
let storageEvents = [];
/** @type {Tab} */
let here;

/** One page in one tab. Its globals are installed whenever code of the tab runs. */
class Tab {
  view = Object.assign(new EventTarget(), {
    visibilityState: "visible",
    body: { dataset: { token: "" }, hasAttribute: () => false },
    getElementById: () => null,
    querySelectorAll: () => [],
  });
  page = new EventTarget();
  isFrozen = false;
  /** @type {(() => void)[]} callbacks that came while the tab was frozen */
  held = [];
  /** @type {() => object} */
  screen = () => ({});
  /** @type {Record<string, (...given: any[]) => void>} */
  does = {};

  /** @param {string} name @param {string} profile @param {Storage} session */
  constructor(name, profile, session) {
    this.name = name;
    this.profile = profile;
    this.session = session;
    this.local = profiles.get(profile) ?? storage();
    profiles.set(profile, this.local);
  }

  enter() {
    here = this;
    const { page } = this;
    Object.assign(globalThis, {
      document: this.view,
      window: { localStorage: shared(this), sessionStorage: this.session },
      sessionStorage: this.session,
      addEventListener: page.addEventListener.bind(page),
      removeEventListener: page.removeEventListener.bind(page),
    });
  }

  /** @param {() => void} then */
  async turn(then) {
    if (this.isFrozen) return void this.held.push(then);
    this.enter();
    try {
      then();
    } catch (error) {
      errors.push(String(/** @type {Error} */ (error).stack));
    }
    await settled();
  }

  unload() {
    for (const [id, { tab }] of timers) if (tab === this) timers.delete(id);
    for (const wire of wires.values()) if (wire.tab === this) wire.close();
    tabs.delete(this.name);
  }
}

/** A storage whose keys can be listed with Object.keys, as in a browser. @returns {Storage} */
function listed() {
  const kept = storage();
  return new Proxy(kept, {
    ownKeys: () => Array.from({ length: kept.length }, (_, at) => kept.key(at) ?? ""),
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
  });
}

/** Local storage as one tab sees it: its writes cause storage events in the browser's other tabs. @param {Tab} tab @returns {Storage} */
function shared(tab) {
  /** @param {string} key @param {string | null} newValue */
  const notify = (key, newValue) => {
    for (const other of tabs.values()) {
      if (other === tab || other.profile !== tab.profile) continue;
      const then = () => void other.page.dispatchEvent(Object.assign(new Event("storage"), { key, newValue }));
      storageEvents.push({ tab: other, then });
    }
  };
  return /** @type {any} */ ({
    getItem: (/** @type {string} */ key) => tab.local.getItem(key),
    setItem(/** @type {string} */ key, /** @type {string} */ value) {
      const isNews = tab.local.getItem(key) !== String(value);
      tab.local.setItem(key, value);
      if (isNews) notify(key, String(value));
    },
    removeItem(/** @type {string} */ key) {
      if (tab.local.getItem(key) === null) return;
      tab.local.removeItem(key);
      notify(key, null);
    },
  });
}

class Wire {
  onopen = () => {};
  /** @type {(event: {data: string}) => void} */
  onmessage = () => {};
  /** @type {(event: {code: number}) => void} */
  onclose = () => {};
  isOpen = false;

  /** @param {string} url */
  constructor(url) {
    this.id = `w${++count}`;
    this.tab = here;
    wires.set(this.id, this);
    out.push([this.tab.name, "open", this.id, url]);
  }

  /** @param {string} text */
  send(text) {
    if (!this.isOpen) throw new Error("InvalidStateError");
    if (wires.has(this.id)) out.push([this.tab.name, "send", this.id, text]);
  }

  close() {
    if (wires.delete(this.id)) out.push([this.tab.name, "close", this.id]);
  }
}

class SimulatedDate extends RealDate {
  /** @param {any[]} given */
  constructor(...given) {
    super(...(given.length ? /** @type {[any]} */ (given) : /** @type {[any]} */ ([now])));
  }
}
SimulatedDate.now = () => now;

Object.assign(globalThis, {
  WebSocket: Wire,
  Date: SimulatedDate,
  performance: { now: () => now, timeOrigin: 0 },
  setTimeout: (/** @type {() => void} */ then, ms = 0) => {
    timers.set(++count, { at: now + Math.max(0, ms), tab: here, then });
    return count;
  },
  clearTimeout: (/** @type {number} */ id) => timers.delete(id),
  requestAnimationFrame: (/** @type {() => void} */ then) => here.view.visibilityState === "visible" && setTimeout(then, 16),
  location: { protocol: "http:", host: "chat", pathname: "/console/", hash: "", reload: () => out.push([here.name, "reload"]) },
  AbortSignal: { timeout: (/** @type {number} */ ms) => ms },
  fetch: (/** @type {string} */ url, /** @type {any} */ { method = "GET", body = "", signal = 20_000 }) =>
    new Promise((resolve, reject) => {
      const id = `r${++count}`;
      requests.set(id, { resolve, reject });
      out.push([here.name, "fetch", id, method, url, body]);
      setTimeout(() => answer(id, 0, ""), signal);
    }),
});
Math.random = () => {
  chance = (chance * 48271) % 2147483647;
  return chance / 2147483647;
};
crypto.randomUUID = () => {
  const digits = (++count).toString(16).padStart(12, "0");
  return /** @type {any} */ (`00000000-0000-4000-8000-${digits}`);
};

/** @param {string} id @param {number} status 0 if no answer came @param {string} text */
function answer(id, status, text) {
  const waiting = requests.get(id);
  requests.delete(id);
  if (!waiting) return;
  if (!status) return waiting.reject(new TypeError("Failed to fetch"));
  waiting.resolve({
    ok: status < 300,
    status,
    headers: { get: () => (text ? "application/json" : "") },
    json: async () => JSON.parse(text),
  });
}

/** Opens a visitor's widget. @param {Tab} tab */
function openWidget(tab) {
  const about = { site: "qinglan", url: "ws://chat/ws/chat/", language: "zh", page: "https://www.bank.example/", device: "" };
  const session = new Session(new BrowserStorage("qinglan"), about, () => {});
  tab.does = {
    post: (body) => session.post(body, { form: {} }),
    ask: (frame) => session.request(frame),
    typing: () => session.typing(),
    look: (isVisible) => session.setVisible(isVisible),
    restart: () => session.conversation.isEnded && session.restart(),
    logout: () => session.logout(),
  };
  tab.screen = () => {
    const { id, state, thread } = session.conversation;
    const unplaced = session.sender.unplaced.map((entry) => ({
      ...entry,
      isAccepted: session.sender.isAccepted(entry.client_id),
    }));
    return { status: session.status, id, state, messages: thread.messages.map(shown), unplaced };
  };
  session.socket.open();
  session.setVisible(true);
}

/** Opens an agent's console, without its views. @param {Tab} tab @param {any} first */
function openConsole(tab, first) {
  const store = new Store(first);
  let status = "";
  const boxes = () => Object.keys(tab.session).filter((key) => key.startsWith("lianxin.outbox."));
  const outboxes = new Outboxes(first.me.id, {
    onChange: () => store.changed(),
    onAccepted: (conversation, entry, { seq, at, client_id }) => {
      const message = { seq, at, client_id, body: entry.body, payload: {}, type: "text", role: "agent", name: "" };
      store.dispatch({ kind: "message", conversation, message });
    },
    onRefused: () => {},
    onSignedOut: () => {},
  });
  store.subscribe((state) => outboxes.settle(state));
  let welcomes = 0;
  const live = new LiveConnection(store, {
    onStatus: (now) => (status = now),
    onWelcome: () => {
      welcomes++;
      outboxes.flushAll();
    },
  });
  store.subscribe(() => {
    if (store.current && tab.view.visibilityState === "visible") live.read(store.current);
  });
  tab.does = {
    show: (id) => {
      store.choose(id);
      void live.load(id);
    },
    post: (id, body) => outboxes.send(id, { body, choices: [], source: "" }),
    typing: (id) => live.typing(id),
    look: () => store.changed(),
  };
  tab.screen = () => {
    const { rows, threads, presence } = store.state;
    const open = Object.entries(threads).map(([id, { messages, ahead, isLoaded, row, notes }]) => {
      const missing = ahead.map((message) => message.seq);
      return [id, { messages: messages.map(shown), ahead: missing, isLoaded, row, notes: notes.map((note) => note.body) }];
    });
    const unsent = Object.fromEntries(boxes().map((key) => [key, JSON.parse(tab.session.getItem(key) ?? "[]")]));
    return { status, welcomes, rows, threads: Object.fromEntries(open), presence, unsent, current: store.current };
  };
  live.open();
  outboxes.flushAll();
}

/** @param {MessageData} message */
const shown = ({ seq, body, role }) => [seq, body, role];

const { place } = Thread.prototype;
const { pending } = Outbox.prototype;

/** Faults planted in the client, which the state machine must find; "" removes them. @type {Record<string, () => void>} */
const planted = {
  "": () => Object.assign(Thread.prototype, { place }) && Object.assign(Outbox.prototype, { pending }),
  "a gap is shown": () => {
    Thread.prototype.place = function (message) {
      if (message.seq <= this.head) return "repeat";
      this.messages.push(message);
      return "next";
    };
  },
  "a repeat is shown": () => {
    Thread.prototype.place = function (message) {
      if (message.seq > this.head + 1) return "gap";
      this.messages.push(message);
      return "next";
    };
  },
  "what is refused for a while is forgotten": () => {
    Outbox.prototype.pending = function () {
      const rest = pending.call(this);
      for (const entry of this.entries) if (!rest.includes(entry)) this.accepted(entry.client_id);
      return rest;
    };
  },
};

/** @param {any[]} act */
async function perform([name, what, ...given]) {
  if (what === "plant") return planted[given[0]]();
  if (what === "load") {
    const [profile, isConsole, first] = given;
    const old = tabs.get(name);
    old?.unload();
    const tab = new Tab(name, profile, old?.session ?? listed());
    tabs.set(name, tab);
    return tab.turn(() => (isConsole ? openConsole(tab, first) : openWidget(tab)));
  }
  const tab = tabs.get(name);
  const wire = wires.get(given[0]);
  if (what === "answer") return tab?.turn(() => answer(given[0], given[1], given[2]));
  if (["opened", "frame", "closed"].includes(what)) return wire?.tab.turn(() => receive(wire, what, given[1]));
  if (!tab) return;
  if (what === "unload") return tab.unload();
  if (what === "freeze") tab.isFrozen = true;
  else if (what === "wake") await wake(tab);
  else if (what === "event") {
    await tab.turn(() => {
      if (given[1]) tab.view.visibilityState = given[1];
      (given[0] === "visibilitychange" ? tab.view : tab.page).dispatchEvent(new Event(given[0]));
      if (given[1]) tab.does.look(given[1] === "visible");
    });
  } else await tab.turn(() => tab.does[what]?.(...given));
}

/** @param {Wire} wire @param {string} what @param {any} detail */
function receive(wire, what, detail) {
  if (!wires.has(wire.id)) return;
  if (what === "opened") {
    wire.isOpen = true;
    wire.onopen();
  } else if (what === "frame") wire.onmessage({ data: detail });
  else {
    wires.delete(wire.id);
    wire.onclose({ code: detail });
  }
}

/** @param {Tab} tab */
async function wake(tab) {
  tab.isFrozen = false;
  for (const then of tab.held.splice(0)) await tab.turn(then);
  await tab.turn(() => tab.view.dispatchEvent(new Event("visibilitychange")));
}

/** @param {number} seed */
function reset(seed) {
  for (const map of [tabs, profiles, timers, wires, requests]) map.clear();
  [out, errors, storageEvents, count, chance] = [[], [], [], 0, seed + 1];
}

/** Advances the clock and fires all due timers of tabs that are not frozen. After a sleep, many are due at once. @param {number} until */
async function advance(until) {
  now = until;
  for (;;) {
    const [next] = [...timers].filter(([, { at, tab }]) => at <= until && !tab.isFrozen).sort(([, one], [, other]) => one.at - other.at);
    if (!next) break;
    const [id, { tab, then }] = next;
    timers.delete(id);
    await tab.turn(then);
    await dispatchStorageEvents();
  }
}

/** Dispatches the storage events of the other tabs. */
async function dispatchStorageEvents() {
  while (storageEvents.length) for (const { tab, then } of storageEvents.splice(0)) await tab.turn(then);
}

const chunk = new Uint8Array(1 << 18);
const decoder = new TextDecoder();
let rest = "";

/** @returns {string | null} */
function readLine() {
  for (;;) {
    const end = rest.indexOf("\n");
    if (end >= 0) {
      const text = rest.slice(0, end);
      rest = rest.slice(end + 1);
      return text;
    }
    const size = readSync(0, chunk);
    if (!size) return null;
    rest += decoder.decode(chunk.subarray(0, size), { stream: true });
  }
}

for (let text; (text = readLine()) !== null; ) {
  const step = JSON.parse(text);
  if (step.seed !== undefined) reset(step.seed);
  else await advance(step.now);
  now = step.now;
  for (const act of step.do) {
    await perform(act);
    await dispatchStorageEvents();
  }
  const due = [...timers.values()].filter(({ tab }) => !tab.isFrozen).map(({ at }) => at);
  const screens = step.show && Object.fromEntries([...tabs].map(([name, tab]) => [name, tab.screen()]));
  const answered = new TextEncoder().encode(`${JSON.stringify({ out, next: due.length ? Math.min(...due) : null, screens, errors })}\n`);
  for (let sent = 0; sent < answered.length; ) sent += writeSync(1, answered, sent);
  [out, errors] = [[], []];
}
