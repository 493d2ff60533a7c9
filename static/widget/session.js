/** The visitor's side of a conversation: what is known of it, and what goes up and down the line. No elements here. */

import { LiveSocket } from "../chat/socket.js";
import { Conversation } from "./conversation.js";
import { Sending } from "./post-sender.js";

const TYPING_MS = 3_000;
const TYPING_SHOWN_MS = 6_000;
const BEHIND_MS = 1_000;
const MARK_MS = 400;
const RENEW_SECONDS = 60;

export class Session {
  conversation = new Conversation();
  /** @type {SocketStatus} */
  status = "connecting";
  /** Also while it tries again. */
  isLost = false;
  /** What the next identity token has to carry. */
  nonce = "";
  /** What the server said against something that is no message. */
  refusal = "";
  token;
  #isKnown;
  /** How far the server is ahead of `performance.now()`, ms; until it has said so, by this machine's clock. */
  #ahead = performance.timeOrigin;
  #isVisible = false;
  #seen = "";
  #dismissed = "";
  /** The token of somebody who logged out while the line was away: the server has to hear of it. */
  #leaving = "";
  #isSuperseded = false;
  /** The bank's page has to say anew who is logged in, once the visitor looks. */
  #isIdentityDue = false;
  #typedAt = -Infinity;
  /** @type {ChatFrame[]} wanted while the line was away */
  #later = [];
  /** @type {Record<string, number>} */
  #timers = {};

  /**
   * @param {import("./storage.js").Memory} memory
   * @param {{site: string, url: string, language: string, page: string, device: string}} about
   * @param {(event?: "started" | "ended" | "left" | "identify") => void} onChange `left`: somebody logged out;
   *   `identify`: the page has to say who is logged in
   */
  constructor(memory, about, onChange) {
    this.memory = memory;
    this.about = about;
    this.onChange = onChange;
    this.token = memory.token;
    this.#isKnown = !!this.token;
    this.sending = new Sending(memory, (frame) => this.#send(frame), () => this.conversation, () => this.onChange());
    this.socket = new LiveSocket({
      url: about.url,
      hello: () => this.#hello(),
      onFrame: (frame) => this.#receive(frame),
      onStatus: (status) => {
        this.status = status;
        this.isLost = status === "lost" || (this.isLost && status === "connecting");
        if (status !== "open") this.sending.lost();
        this.onChange();
      },
    });
    memory.listen({
      left: () => this.#forget(),
      // Another tab has begun: a tab without a conversation joins it.
      token: (token) => {
        if (this.conversation.isOpen) return;
        this.token = token;
        this.socket.reopen();
      },
    });
  }

  /** The server's time, ms since 1970. */
  get now() {
    return performance.now() + this.#ahead;
  }

  // -- what the visitor does -----------------------------------------------------------------------------

  /** @param {string} body @param {{form?: object, topic?: number}} [beginning] */
  post(body, beginning) {
    if (!this.conversation.state) this.sending.begin(beginning);
    this.sending.post(body);
  }

  /** A refused message once more: here or, when this has ended, in a new conversation. @param {string} client_id */
  again(client_id) {
    if (this.conversation.isEnded) this.restart();
    this.sending.outbox.retry(client_id, { conversation: this.conversation.id });
  }

  typing() {
    if (this.conversation.isOpen && performance.now() - this.#typedAt > TYPING_MS && this.#send({ kind: "typing" })) {
      this.#typedAt = performance.now();
    }
  }

  /**
   * Ends, rates or identifies: now, or when the line is back.
   * The frame names the conversation that is on screen: another may have begun by then.
   *
   * @param {ChatFrame} frame
   */
  ask(frame) {
    const { id } = this.conversation;
    const named = id && frame.kind !== "identify" ? { conversation: id, ...frame } : frame;
    if (!this.#send(named)) this.#later = [...this.#later.filter(({ kind }) => kind !== named.kind), named];
  }

  /** Back to the first screen; nothing of the ended conversation stays in this browser. */
  restart() {
    this.#dismissed = this.conversation.id;
    this.memory.keepToken("", "none", this.#dismissed);
    this.memory.set("rating", null);
    this.#clear();
    this.onChange();
  }

  /** Somebody else may sit here next. A conversation that only this browser could find again is ended. */
  logout() {
    if (!this.#send({ kind: "logout" })) this.#leaving = this.token;
    this.memory.clear(true);
    this.#forget();
  }

  /** @param {boolean} isVisible whether the visitor has the messages before their eyes */
  look(isVisible) {
    this.#isVisible = isVisible;
    this.#mark();
    this.#askIdentity();
    this.onChange();
  }

  // -- what the server says ------------------------------------------------------------------------------

  /** @returns {ChatFrame} */
  #hello() {
    const { site, language, page, device } = this.about;
    const { id, thread } = this.conversation;
    const known = id ? { conversation: id, after: thread.head } : {};
    if (this.#isSuperseded) this.#supersede();
    return { kind: "hello", site, token: this.#leaving || this.token || null, language, page, device, ...known };
  }

  /** @param {ChatFrame} frame */
  #receive(frame) {
    const { kind } = frame;
    const now = this.conversation;
    if (frame.now) this.#ahead = frame.now - performance.now();
    const isOurs = !!now.id && (frame.conversation ?? frame.state?.id) === now.id;
    if (kind === "welcome") this.#welcome(frame);
    else if (kind === "bye") this.#isSuperseded = frame.code === "superseded";
    else if (kind === "accepted") this.#accepted(frame);
    else if (kind === "refused" && !this.sending.refused(frame)) this.refuse(frame.words);
    else if (kind === "message" && isOurs) this.#place([frame.message]);
    else if (kind === "messages" && isOurs) this.#place(frame.messages, frame.more);
    else if (kind === "state" && isOurs) this.#become(frame.state);
    else if (kind === "queue") now.queue = frame;
    else if (kind === "pong" && frame.head > now.thread.head) this.#fetch();
    else if (kind === "was_seen" && isOurs && frame.role === "agent") now.wasSeen(frame);
    else if (kind === "is_typing" && isOurs && frame.role === "agent") {
      now.isAgentTyping = true;
      this.#after("typing", TYPING_SHOWN_MS, () => (now.isAgentTyping = false));
    }
    this.onChange();
  }

  /** @param {ChatFrame} frame */
  #welcome(frame) {
    if (this.#leaving) {
      this.#leaving = "";
      this.#send({ kind: "logout" });
      return this.socket.reopen();
    }
    this.token = frame.token;
    this.nonce = frame.nonce ?? "";
    this.#renew(frame.verified_seconds ?? 0);
    /** @type {ChatState | null} */
    let state = frame.state;
    const isOver = !!state && !["waiting", "active"].includes(state.status);
    // An old conversation of somebody who comes anew is not put before them.
    if (state && isOver && state.id !== this.conversation.id && !this.#isKnown) this.#dismissed = state.id;
    if (state?.id === this.#dismissed) state = null;
    this.#isKnown = false;
    this.sending.welcomed(!!state && !isOver);
    if ((state?.id ?? "") !== this.conversation.id || !frame.recovered) this.#clear();
    if (state) this.#become(state);
    else this.#keepToken();
    this.#place(state ? frame.messages : [], frame.more);
    for (const wanted of this.#later.splice(0)) this.ask(wanted);
    this.sending.flush();
  }

  /** Somebody has signed in or out since: another tab of this browser has the new token, or nobody here has one. */
  #supersede() {
    const { token } = this.memory;
    this.#isSuperseded = false;
    this.#isIdentityDue = !token || token === this.token;
    this.token = this.#isIdentityDue ? "" : token;
  }

  /** @param {number} seconds that "verified" still holds; shortly before, the page has to say it anew */
  #renew(seconds) {
    clearTimeout(this.#timers.renew);
    if (!seconds) return;
    this.#after("renew", Math.max(0, seconds - RENEW_SECONDS) * 1000, () => {
      this.#isIdentityDue = true;
      this.#askIdentity();
    });
  }

  #askIdentity() {
    if (!this.#isIdentityDue || !this.#isVisible) return;
    this.#isIdentityDue = false;
    this.onChange("identify");
  }

  /** Another conversation than before, or none. */
  #clear() {
    this.conversation = new Conversation();
    this.sending.reset();
    this.#seen = "";
  }

  /** @param {ChatState} state */
  #become(state) {
    const wasOpen = this.conversation.isOpen;
    this.conversation.become(state);
    this.#keepToken();
    if (this.conversation.isOpen !== wasOpen) this.onChange(wasOpen ? "ended" : "started");
    this.#fetchIfBehind(state.last_seq);
  }

  #keepToken() {
    const { isOpen, id } = this.conversation;
    this.memory.keepToken(this.token, isOpen || this.sending.hasBegun ? "open" : id ? "ended" : "none", id);
  }

  /** @param {ChatMessage[]} messages @param {boolean} [hasMore] */
  #place(messages, hasMore) {
    for (const message of messages) {
      if (!this.conversation.place(message)) return this.#fetch();
      if (message.client_id) this.sending.accepted(message.client_id, true);
    }
    if (hasMore) this.#fetch();
    this.#mark();
  }

  /** @param {ChatFrame} frame */
  #accepted({ client_id, seq, conversation }) {
    // Stored in the one before: the answer was lost, and another tab has begun this one.
    const isOfAnother = !!conversation && conversation !== this.conversation.id;
    this.sending.accepted(client_id, isOfAnother || seq <= this.conversation.thread.head);
    if (!isOfAnother) this.#fetchIfBehind(seq);
  }

  /** Says for a while why something was not done. @param {string} words */
  refuse(words) {
    this.refusal = words;
    this.#after("refusal", 8000, () => (this.refusal = ""));
  }

  // -- keeping up ----------------------------------------------------------------------------------------

  #fetch() {
    const { id, thread } = this.conversation;
    if (id) this.#send({ kind: "fetch", after: thread.head });
  }

  /** @param {number} seq that is known to be stored; its message may be on its way */
  #fetchIfBehind(seq) {
    const { thread } = this.conversation;
    if (seq > thread.head) this.#after("behind", BEHIND_MS, () => seq > thread.head && this.#fetch());
  }

  /** At most one mark in MARK_MS: a burst of messages is no flood of frames. */
  #mark() {
    const marks = this.conversation.mark(this.#isVisible);
    const seen = `${marks.received} ${marks.read}`;
    if (!marks.received || seen === this.#seen || this.#timers.mark) return;
    if (!this.#send({ kind: "seen", conversation: this.conversation.id, ...marks })) return;
    this.#seen = seen;
    this.#timers.mark = setTimeout(() => {
      this.#timers.mark = 0;
      this.#mark();
    }, MARK_MS);
  }

  /** @param {ChatFrame} frame */
  #send(frame) {
    const isSent = this.socket.send(frame);
    // Kept before the answer: a reload in between finds what was begun.
    if (isSent && frame.kind === "start") this.memory.keepToken(this.token, "open", "");
    return isSent;
  }

  #forget() {
    if (this.conversation.isOpen) this.onChange("ended");
    this.#clear();
    this.sending.forget();
    this.memory.clear(false);
    this.#later = [];
    this.token = this.nonce = this.#dismissed = "";
    this.#isIdentityDue = false;
    this.#renew(0);
    this.socket.reopen();
    this.onChange("left");
  }

  /** @param {string} name @param {number} ms @param {() => void} then */
  #after(name, ms, then) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(() => {
      then();
      this.onChange();
    }, ms);
  }
}
