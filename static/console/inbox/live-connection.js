/** The socket of this tab: watches conversations, fetches missing messages, and reports read marks. */

import { LiveSocket } from "../../chat/socket.js";
import { get } from "../requests.js";
import { mine, waiting } from "./state.js";
import { headOf, isBehind } from "./threads.js";

/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { OpenedThread } from "./types.d.ts" */
/** @import { ConsoleFrame, Row, ServerToConsole } from "../../chat/frames.d.ts" */
/** @import { SocketStatus } from "../../chat/socket.js" */
/** @import { Store } from "./store.js" */

const OLDER_PAGE = 100;
const FETCH_RETRY_MS = 3000;
const READ_MARK_INTERVAL_MS = 400;
const LISTS_INTERVAL_MS = 5000;

export class LiveConnection {
  #store;
  /** @type {LiveSocket<ConsoleFrame, ServerToConsole>} */
  #socket;
  #onStatus;
  #onWelcome;
  #isOpen = false;
  /** @type {Set<string>} */
  #watched = new Set();
  /** @type {Map<string, number>} when the missing messages of a conversation were last requested */
  #fetchedAt = new Map();
  /** @type {Map<string, string>} the read mark last sent, by conversation */
  #sentReadMarks = new Map();
  /** Conversations whose read mark was sent less than READ_MARK_INTERVAL_MS ago. @type {Set<string>} */
  #recentlyMarked = new Set();
  #listsRequestedAt = -Infinity;
  #listsTimer = 0;
  #typingSentAt = -Infinity;

  /**
   * @param {Store} store
   * @param {{onStatus: (status: SocketStatus) => void, onWelcome: () => void}} options
   */
  constructor(store, { onStatus, onWelcome }) {
    this.#store = store;
    this.#onStatus = onStatus;
    this.#onWelcome = onWelcome;
    this.#socket = new LiveSocket({
      url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/console/`,
      hello: () => ({ kind: "hello", version: 1 }),
      onFrame: (frame) => this.#receive(frame),
      onStatus: (status) => this.#changeStatus(status),
    });
    store.subscribe(() => this.#synchronize());
  }

  open() {
    this.#socket.open();
  }

  /** Tells the visitor that the agent is typing, at most once in three seconds. @param {string} conversation */
  typing(conversation) {
    if (performance.now() - this.#typingSentAt < 3000 || !this.#watched.has(conversation)) return;
    this.#typingSentAt = performance.now();
    this.#socket.send({ kind: "typing", conversation });
  }

  /** Marks the conversation as read up to its last message. Call it while that message is visible. @param {string} id */
  read(id) {
    const thread = this.#store.state.threads[id];
    if (thread?.isLoaded) this.#sendReadMark(thread.row, headOf(thread));
  }

  /** Requests the page of messages before the first one loaded. @param {string} id */
  older(id) {
    const first = this.#store.state.threads[id]?.messages[0]?.seq ?? 1;
    if (first <= 1) return;
    const after = Math.max(0, first - 1 - OLDER_PAGE);
    this.#socket.send({ kind: "fetch", conversation: id, after, limit: first - 1 - after });
  }

  /**
   * Loads the row, notes and placeholder values of a conversation, and, if it is closed, its messages.
   *
   * @param {string} id
   */
  async load(id) {
    /** @type {ConsoleAnswer<OpenedThread>} */
    const answer = await get(`conversations/${id}/thread`);
    if (!answer.ok) return answer;
    this.#store.opened(answer.data);
    let page = answer.data.messages;
    while (page?.more) {
      /** @type {ConsoleAnswer<OpenedThread>} */
      const next = await get(`conversations/${id}/thread?after=${page.messages.at(-1)?.seq ?? page.head}`);
      if (!next.ok) break;
      this.#store.opened(next.data);
      page = next.data.messages;
    }
    return answer;
  }

  /** @param {SocketStatus} status */
  #changeStatus(status) {
    this.#isOpen = status === "open";
    if (!this.#isOpen) this.#watched.clear();
    this.#onStatus(status);
  }

  /** @param {ServerToConsole} frame */
  #receive(frame) {
    if (frame.kind === "pong") return this.#compareHeads(frame.heads);
    if (frame.kind === "refused" && frame.retry_after_ms) setTimeout(() => this.#retryAll(), frame.retry_after_ms);
    const isFirst = frame.kind === "welcome" && this.#watched.size === 0;
    this.#store.dispatch(frame);
    if (frame.kind === "presence" && frame.by && frame.staff === this.#store.state.me.id) {
      document.dispatchEvent(new CustomEvent("presence-set", { detail: frame }));
    }
    if (!isFirst) return;
    this.#fetchedAt.clear();
    this.#sentReadMarks.clear();
    // Notes have no seq, so load the thread again to find notes written while the connection was down. This also loads
    // a conversation that could not be loaded meanwhile.
    if (this.#store.current && this.#store.row?.status !== "closed") void this.load(this.#store.current);
    this.#synchronize();
    this.#onWelcome();
  }

  /** Repeats every watch and fetch: a refusal does not say which request it refused. */
  #retryAll() {
    this.#watched.clear();
    this.#fetchedAt.clear();
    this.#synchronize();
  }

  /** Fetches messages that the server has and this screen lacks. @param {Record<string, number>} heads last seq by conversation */
  #compareHeads(heads) {
    for (const [id, head] of Object.entries(heads)) {
      const thread = this.#store.state.threads[id];
      if (thread?.isLoaded && head > headOf(thread)) this.#fetch(id);
    }
  }

  /**
   * Watches the agent's own conversations and the one on the screen, fetches missing messages, and sends read marks.
   */
  #synchronize() {
    if (!this.#isOpen) return;
    const { state, current } = this.#store;
    const wanted = new Set(mine(state).map((row) => row.id));
    if (current && state.threads[current] && state.threads[current].row.status !== "closed") wanted.add(current);
    for (const id of this.#watched) if (!wanted.has(id)) this.#unwatch(id);
    for (const id of wanted) if (!this.#watched.has(id) || this.#isUnfetched(id)) this.#watch(id);
    for (const id of wanted) if (state.threads[id] && isBehind(state.threads[id])) this.#fetch(id);
    for (const row of mine(state)) if (row.status === "active") this.#sendReadMark(row, row.agent_read);
    this.#refillQueue();
  }

  /** Tells whether the messages of an open thread were never requested. @param {string} id */
  #isUnfetched(id) {
    const thread = this.#store.state.threads[id];
    return thread && !thread.isLoaded && !this.#fetchedAt.has(id);
  }

  /** @param {string} id */
  #watch(id) {
    const thread = this.#store.state.threads[id];
    const listedHead = this.#store.state.rows[id]?.last_seq ?? 0;
    const after = thread ? (thread.isLoaded ? headOf(thread) : thread.after) : listedHead;
    if (thread) this.#fetchedAt.set(id, performance.now());
    if (this.#socket.send({ kind: "watch", conversation: id, after })) this.#watched.add(id);
  }

  /** @param {string} id */
  #unwatch(id) {
    this.#watched.delete(id);
    this.#fetchedAt.delete(id);
    this.#socket.send({ kind: "unwatch", conversation: id });
  }

  /** @param {string} id */
  #fetch(id) {
    const thread = this.#store.state.threads[id];
    const now = performance.now();
    if (now - (this.#fetchedAt.get(id) ?? -Infinity) < FETCH_RETRY_MS && thread.ahead.length === 0) return;
    if (now - (this.#fetchedAt.get(id) ?? -Infinity) < 500) return;
    this.#fetchedAt.set(id, now);
    this.#socket.send({ kind: "fetch", conversation: id, after: headOf(thread) });
    setTimeout(() => this.#store.changed(), FETCH_RETRY_MS + 50);
  }

  /** @param {Row} row @param {number} read */
  #sendReadMark(row, read) {
    const received = row.last_seq;
    if (row.agent?.id !== this.#store.state.me.id || (received <= row.agent_received && read <= row.agent_read)) return;
    const readMark = `${received}/${read}`;
    if (this.#sentReadMarks.get(row.id) === readMark || !this.#watched.has(row.id) || this.#recentlyMarked.has(row.id)) return;
    if (!this.#socket.send({ kind: "seen", conversation: row.id, received, read })) return;
    this.#sentReadMarks.set(row.id, readMark);
    // A burst of messages must not cause a flood of frames: wait before the next read mark.
    this.#recentlyMarked.add(row.id);
    setTimeout(() => {
      this.#recentlyMarked.delete(row.id);
      this.#store.changed();
    }, READ_MARK_INTERVAL_MS);
  }

  /**
   * Requests the lists again if some waiting visitors are not listed, and either the list has room for more or the
   * number of unlisted visitors is uncertain.
   */
  #refillQueue() {
    const { state } = this.#store;
    if (!state.unlistedCount || !(state.isQueueUncertain || waiting(state).length < 100)) return;
    const remaining = this.#listsRequestedAt + LISTS_INTERVAL_MS - performance.now();
    if (remaining > 0) {
      clearTimeout(this.#listsTimer);
      this.#listsTimer = setTimeout(() => this.#refillQueue(), remaining);
    } else if (this.#socket.send({ kind: "hello", version: 1 })) this.#listsRequestedAt = performance.now();
  }
}
