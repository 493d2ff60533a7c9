/** The visitor's side of a conversation: its state, and the frames sent and received. It touches no elements. */

import { LiveSocket } from "../chat/socket.js";
import { Conversation } from "./conversation.js";
import { MessageReceiver } from "./message-receiver.js";
import { PostSender } from "./post-sender.js";

/** @import { End, Identify, Rate, ServerToVisitor, State, VisitorFrame, Welcome } from "../chat/frames.d.ts" */
/** @import { SocketStatus } from "../chat/socket.js" */
/** @import { BrowserStorage } from "./storage.js" */

const TYPING_MS = 3_000;
const TYPING_SHOWN_MS = 6_000;
const RENEW_SECONDS = 60;

export class Session {
  conversation = new Conversation();
  /** @type {SocketStatus} */
  status = "connecting";
  /** Whether the connection was lost and has not been restored since. */
  isLost = false;
  /** The nonce that the next identity token must contain. */
  nonce = "";
  /** The reason of the last refusal that is not about a message. */
  refusal = "";
  token;
  /** Whether the visitor can see the messages. */
  isVisible = false;
  #receiver = new MessageReceiver(this);
  #isKnown;
  /** The server's time minus `performance.now()`, in ms; until the server has sent its time, this machine's clock is used. */
  #ahead = performance.timeOrigin;
  #dismissed = "";
  /** The token with which to log out after reconnecting; "" unless the visitor logged out while disconnected. */
  #leaving = "";
  #isSuperseded = false;
  /** Whether the bank's page must be asked again who is logged in, as soon as the visitor looks at the widget. */
  #isIdentityDue = false;
  #typedAt = -Infinity;
  /** @type {(End | Rate | Identify)[]} frames requested while disconnected */
  #later = [];
  /** @type {Record<string, number>} */
  #timers = {};

  /**
   * @param {BrowserStorage} storage
   * @param {{site: string, url: string, language: string, page: string, device: string}} about
   * @param {(event?: "started" | "ended" | "left" | "identify") => void} onChange `left`: the visitor logged out;
   *   `identify`: the bank's page must say who is logged in
   */
  constructor(storage, about, onChange) {
    this.storage = storage;
    this.about = about;
    this.onChange = onChange;
    this.token = storage.token;
    this.#isKnown = !!this.token;
    this.sender = new PostSender(storage, (frame) => this.#send(frame), () => this.conversation, () => this.onChange());
    /** @type {LiveSocket<VisitorFrame, ServerToVisitor>} */
    this.socket = new LiveSocket({
      url: about.url,
      hello: () => this.#hello(),
      onFrame: (frame) => this.#receive(frame),
      onStatus: (status) => {
        this.status = status;
        this.isLost = status === "lost" || (this.isLost && status === "connecting");
        if (status !== "open") this.sender.lost();
        this.onChange();
      },
    });
    storage.listen({
      left: () => this.#forget(),
      // Another tab has started a conversation. If this tab has no conversation, it joins that one.
      token: (token) => {
        if (this.conversation.isOpen) return;
        this.token = token;
        this.socket.reopen();
      },
    });
  }

  /** The server's time in ms since 1970. */
  get now() {
    return performance.now() + this.#ahead;
  }

  // -- actions of the visitor ----------------------------------------------------------------------------

  /** @param {string} body @param {{form?: object, topic?: number}} [fields] of the start frame */
  post(body, fields) {
    if (!this.conversation.state) this.sender.start(fields);
    this.sender.post(body);
  }

  /** Sends a refused message again, in a new conversation if this one has ended. @param {string} client_id */
  retry(client_id) {
    if (this.conversation.isEnded) this.restart();
    this.sender.outbox.retry(client_id, { conversation: this.conversation.id });
  }

  typing() {
    if (this.conversation.isOpen && performance.now() - this.#typedAt > TYPING_MS && this.#send({ kind: "typing" })) {
      this.#typedAt = performance.now();
    }
  }

  /**
   * Sends a request to end the conversation, to rate it, or to identify the visitor. If there is no connection, the
   * request is sent after reconnecting. A request to end or rate names the conversation on screen now, because another
   * conversation may have started by then.
   *
   * @param {End | Rate | Identify} frame
   */
  request(frame) {
    const { id } = this.conversation;
    const named = id && frame.kind !== "identify" ? { conversation: id, ...frame } : frame;
    if (!this.#send(named)) this.#later = [...this.#later.filter(({ kind }) => kind !== named.kind), named];
  }

  /** Returns to the first screen and removes the ended conversation from this browser. */
  restart() {
    this.#dismissed = this.conversation.id;
    this.storage.saveToken("", "none", this.#dismissed);
    this.storage.set("rating", null);
    this.#clear();
    this.onChange();
  }

  /** Removes everything about the visitor, because another person may use this browser next. */
  logout() {
    if (!this.#send({ kind: "logout" })) this.#leaving = this.token;
    this.storage.clear(true);
    this.#forget();
  }

  /** @param {boolean} isVisible whether the visitor can see the messages */
  setVisible(isVisible) {
    this.isVisible = isVisible;
    this.#receiver.mark();
    this.#askIdentity();
    this.onChange();
  }

  // -- frames from the server ----------------------------------------------------------------------------

  /** @returns {VisitorFrame} */
  #hello() {
    const { site, language, page, device } = this.about;
    const { id, thread } = this.conversation;
    const position = id ? { conversation: id, after: thread.head } : {};
    if (this.#isSuperseded) this.#supersede();
    return { kind: "hello", site, token: this.#leaving || this.token || null, language, page, device, ...position };
  }

  /** @param {ServerToVisitor} frame */
  #receive(frame) {
    const { kind } = frame;
    const now = this.conversation;
    if ("now" in frame && frame.now) this.#ahead = frame.now - performance.now();
    const isOurs = !!now.id && ("conversation" in frame ? frame.conversation : kind === "state" && frame.state.id) === now.id;
    if (kind === "welcome") this.#welcome(frame);
    else if (kind === "bye") this.#isSuperseded = frame.code === "superseded";
    else if (kind === "accepted") this.#receiver.accepted(frame);
    else if (kind === "refused" && !this.sender.refused(frame)) this.refuse(frame.words);
    else if (kind === "message" && isOurs) this.#receiver.place([frame.message]);
    else if (kind === "messages" && isOurs) this.#receiver.place(frame.messages, frame.more);
    else if (kind === "state" && isOurs) this.#setState(frame.state);
    else if (kind === "queue") now.queue = frame;
    else if (kind === "pong" && frame.head > now.thread.head) this.#receiver.fetch();
    else if (kind === "was_seen" && isOurs && frame.role === "agent") now.setMarks(frame);
    else if (kind === "is_typing" && isOurs && frame.role === "agent") {
      now.isAgentTyping = true;
      this.#after("typing", TYPING_SHOWN_MS, () => (now.isAgentTyping = false));
    }
    this.onChange();
  }

  /** @param {Welcome} frame */
  #welcome(frame) {
    if (this.#leaving) {
      this.#leaving = "";
      this.#send({ kind: "logout" });
      return this.socket.reopen();
    }
    this.token = frame.token;
    this.nonce = frame.nonce ?? "";
    this.#renew(frame.verified_seconds ?? 0);
    let { state } = frame;
    const isOver = !!state && !["waiting", "active"].includes(state.status);
    // A visitor who comes back after their conversation has ended gets the first screen, not the old conversation.
    if (state && isOver && state.id !== this.conversation.id && !this.#isKnown) this.#dismissed = state.id;
    if (state?.id === this.#dismissed) state = null;
    this.#isKnown = false;
    this.sender.welcomed(!!state && !isOver);
    if ((state?.id ?? "") !== this.conversation.id || !frame.recovered) this.#clear();
    if (state) this.#setState(state);
    else this.#saveToken();
    this.#receiver.place(state ? frame.messages : [], frame.more);
    for (const requested of this.#later.splice(0)) this.request(requested);
    this.sender.flush();
  }

  /** Drops the token, which a sign-in or logout has voided, and takes the new token of another tab if there is one. */
  #supersede() {
    const { token } = this.storage;
    this.#isSuperseded = false;
    this.#isIdentityDue = !token || token === this.token;
    this.token = this.#isIdentityDue ? "" : token;
  }

  /** @param {number} seconds until the level "verified" lapses; shortly before, the page must identify the visitor again */
  #renew(seconds) {
    clearTimeout(this.#timers.renew);
    if (!seconds) return;
    this.#after("renew", Math.max(0, seconds - RENEW_SECONDS) * 1000, () => {
      this.#isIdentityDue = true;
      this.#askIdentity();
    });
  }

  #askIdentity() {
    if (!this.#isIdentityDue || !this.isVisible) return;
    this.#isIdentityDue = false;
    this.onChange("identify");
  }

  /** Forgets the conversation on screen. */
  #clear() {
    this.conversation = new Conversation();
    this.sender.reset();
  }

  /** @param {State} state */
  #setState(state) {
    const wasOpen = this.conversation.isOpen;
    this.conversation.setState(state);
    this.#saveToken();
    if (this.conversation.isOpen !== wasOpen) this.onChange(wasOpen ? "ended" : "started");
    this.#receiver.catchUp(state.last_seq);
  }

  #saveToken() {
    const { isOpen, id } = this.conversation;
    this.storage.saveToken(this.token, isOpen || this.sender.isStarting ? "open" : id ? "ended" : "none", id);
  }

  /** Shows for a few seconds why a request was refused. @param {string} text */
  refuse(text) {
    this.refusal = text;
    this.#after("refusal", 8000, () => (this.refusal = ""));
  }

  /** @param {VisitorFrame} frame */
  #send(frame) {
    const isSent = this.socket.send(frame);
    // Store the token before the answer arrives, so that after a reload the widget finds the conversation.
    if (isSent && frame.kind === "start") this.storage.saveToken(this.token, "open", "");
    return isSent;
  }

  #forget() {
    if (this.conversation.isOpen) this.onChange("ended");
    this.#clear();
    this.sender.forget();
    this.storage.clear(false);
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
