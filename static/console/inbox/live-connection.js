/** The socket of this tab: what it watches, what it fetches again, what it says has been read. */

import { LiveSocket } from "../../chat/socket.js";
import { get } from "../requests.js";
import { mine, waiting } from "./state.js";
import { headOf, isBehind } from "./threads.js";

const OLDER_PAGE = 100;
const FETCH_AGAIN_MS = 3000;
const MARK_MS = 400;
const LISTS_AGAIN_MS = 5000;

export class Live {
  #store;
  #socket;
  #onStatus;
  #onWelcome;
  #isOpen = false;
  /** @type {Set<string>} */
  #watched = new Set();
  /** @type {Map<string, number>} when a gap was last asked for */
  #fetchedAt = new Map();
  /** @type {Map<string, string>} the marks last sent, by conversation */
  #marked = new Map();
  /** Conversations whose mark was sent just now.
   * @type {Set<string>} */
  #resting = new Set();
  #listsAskedAt = -Infinity;
  #listsTimer = 0;
  #typedAt = -Infinity;

  /**
   * @param {import("./store.js").Store} store
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
    store.subscribe(() => this.#keepUp());
  }

  open() {
    this.#socket.open();
  }

  /** Once in three seconds at most, the customer is told that somebody writes. @param {string} conversation */
  typing(conversation) {
    if (performance.now() - this.#typedAt < 3000 || !this.#watched.has(conversation)) return;
    this.#typedAt = performance.now();
    this.#socket.send({ kind: "typing", conversation });
  }

  /** Everything of this conversation that is here has been on a visible screen. @param {string} id */
  read(id) {
    const thread = this.#store.state.threads[id];
    if (thread?.isLoaded) this.#mark(thread.row, headOf(thread));
  }

  /** @param {string} id */
  older(id) {
    const first = this.#store.state.threads[id]?.messages[0]?.seq ?? 1;
    if (first <= 1) return;
    const after = Math.max(0, first - 1 - OLDER_PAGE);
    this.#socket.send({ kind: "fetch", conversation: id, after, limit: first - 1 - after });
  }

  /** Gets row, notes and placeholders; of a closed conversation the messages too. @param {string} id */
  async load(id) {
    const answer = await get(`conversations/${id}/thread`);
    if (!answer.ok) return answer;
    this.#store.opened(answer.data);
    let page = answer.data.messages;
    while (page?.more) {
      const next = await get(`conversations/${id}/thread?after=${page.messages.at(-1).seq}`);
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

  /** @param {ChatFrame} frame */
  #receive(frame) {
    if (frame.kind === "pong") return this.#compare(frame.heads);
    // Who I am stands in the page: it is asked for anew. Drafts and what is not sent outlive that.
    if (frame.kind === "bye" && frame.code === "rights_changed") return location.reload();
    if (frame.kind === "refused" && frame.retry_after_ms) setTimeout(() => this.#askAgain(), frame.retry_after_ms);
    const isFirst = frame.kind === "welcome" && this.#watched.size === 0;
    this.#store.dispatch(frame);
    if (!isFirst) return;
    this.#fetchedAt.clear();
    this.#marked.clear();
    // Notes have no seq: what was written while the line was down is read again.
    // What could not be opened meanwhile is opened now.
    if (this.#store.current && this.#store.row?.status !== "closed") void this.load(this.#store.current);
    this.#keepUp();
    this.#onWelcome();
  }

  /** Something was not answered, and the refusal does not say what: all of it once more, from where it stands. */
  #askAgain() {
    this.#watched.clear();
    this.#fetchedAt.clear();
    this.#keepUp();
  }

  /** @param {Record<string, number>} heads of the watched conversations, as the server has them */
  #compare(heads) {
    for (const [id, head] of Object.entries(heads)) {
      const thread = this.#store.state.threads[id];
      if (thread?.isLoaded && head > headOf(thread)) this.#fetch(id);
    }
  }

  /** Watches what is mine and what is open, asks for what is missing, and says what has arrived. */
  #keepUp() {
    if (!this.#isOpen) return;
    const { state, current } = this.#store;
    const wanted = new Set(mine(state).map((row) => row.id));
    if (current && state.threads[current] && state.threads[current].row.status !== "closed") wanted.add(current);
    for (const id of this.#watched) if (!wanted.has(id)) this.#unwatch(id);
    for (const id of wanted) if (!this.#watched.has(id) || this.#isUnread(id)) this.#watch(id);
    for (const id of wanted) if (state.threads[id] && isBehind(state.threads[id])) this.#fetch(id);
    for (const row of mine(state)) if (row.status === "active") this.#mark(row, row.agent_read);
    this.#fillLine();
  }

  /** Opened, but its messages were not asked for: until then it was watched from its head. @param {string} id */
  #isUnread(id) {
    const thread = this.#store.state.threads[id];
    return thread && !thread.isLoaded && !this.#fetchedAt.has(id);
  }

  /** @param {string} id */
  #watch(id) {
    const thread = this.#store.state.threads[id];
    const unopened = this.#store.state.rows[id]?.last_seq ?? 0;
    const after = thread ? (thread.isLoaded ? headOf(thread) : thread.after) : unopened;
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
    if (now - (this.#fetchedAt.get(id) ?? -Infinity) < FETCH_AGAIN_MS && thread.ahead.length === 0) return;
    if (now - (this.#fetchedAt.get(id) ?? -Infinity) < 500) return;
    this.#fetchedAt.set(id, now);
    this.#socket.send({ kind: "fetch", conversation: id, after: headOf(thread) });
    setTimeout(() => this.#store.changed(), FETCH_AGAIN_MS + 50);
  }

  /** @param {ConsoleRow} row @param {number} read */
  #mark(row, read) {
    const received = row.last_seq;
    if (row.agent?.id !== this.#store.state.me.id || (received <= row.agent_received && read <= row.agent_read)) return;
    const mark = `${received}/${read}`;
    if (this.#marked.get(row.id) === mark || !this.#watched.has(row.id) || this.#resting.has(row.id)) return;
    if (!this.#socket.send({ kind: "seen", conversation: row.id, received, read })) return;
    this.#marked.set(row.id, mark);
    // A burst of messages is no flood of frames.
    this.#resting.add(row.id);
    setTimeout(() => {
      this.#resting.delete(row.id);
      this.#store.changed();
    }, MARK_MS);
  }

  /** More wait than the lists hold, and there is room, or their number is not sure: ask for the lists anew. */
  #fillLine() {
    const { state } = this.#store;
    if (!state.waitingBeyond || !(state.isLineUnsure || waiting(state).length < 100)) return;
    const rest = this.#listsAskedAt + LISTS_AGAIN_MS - performance.now();
    if (rest > 0) {
      clearTimeout(this.#listsTimer);
      this.#listsTimer = setTimeout(() => this.#fillLine(), rest);
    } else if (this.#socket.send({ kind: "hello", version: 1 })) this.#listsAskedAt = performance.now();
  }
}
