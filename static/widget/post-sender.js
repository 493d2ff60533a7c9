/** Sends the visitor's messages: first it starts a conversation, then it posts one message at a time. */

import { Outbox } from "../chat/outbox.js";

/** @import { RefusedFrame, VisitorFrame } from "../chat/frames.d.ts" */
/** @import { OutboxEntry } from "../chat/outbox.js" */
/** @import { Conversation } from "./conversation.js" */
/** @import { BrowserStorage } from "./storage.js" */

const ANSWER_MS = 15_000;

export class PostSender {
  #storage;
  #send;
  #conversation;
  #onChange;
  #inFlight = "";
  /** @type {Map<string, OutboxEntry>} accepted entries that have not come back as a message yet */
  #accepted = new Map();
  #timer = 0;
  /** Whether a start frame was sent on this connection and has no answer yet. */
  isStarting = false;

  /**
   * @param {BrowserStorage} storage
   * @param {(frame: VisitorFrame) => boolean} send returns false if the frame cannot be sent now; `flush` is called again
   * @param {() => Conversation} conversation returns the conversation on screen
   * @param {() => void} onChange
   */
  constructor(storage, send, conversation, onChange) {
    this.#storage = storage;
    this.#send = send;
    this.#conversation = conversation;
    this.#onChange = onChange;
    this.outbox = new Outbox({
      storage: storage.session,
      key: storage.key("outbox"),
      onChange: () => {
        this.flush();
        onChange();
      },
    });
  }

  /**
   * The entries that are not in the thread yet, in order: accepted entries that have not come back as messages, and all
   * entries that are not accepted.
   */
  get unplaced() {
    return [...this.#accepted.values(), ...this.outbox.entries];
  }

  /** @param {string} client_id */
  isAccepted(client_id) {
    return this.#accepted.has(client_id);
  }

  /**
   * Starts a conversation. The start is kept until it is answered; repeating it under the same client id is harmless.
   *
   * @param {{form?: object, topic?: number}} [fields] of the start frame
   */
  start(fields) {
    if (!this.#storage.get("start")) this.#storage.set("start", { client_id: crypto.randomUUID(), ...fields });
    this.flush();
  }

  /** @param {string} body */
  post(body) {
    const conversation = this.#conversation().id;
    this.outbox.add({ client_id: crypto.randomUUID(), body, at: new Date().toISOString(), conversation });
  }

  /**
   * Sends the next frame. Only one frame waits for its answer at a time, so that no message overtakes an earlier one
   * that must be sent again.
   */
  flush() {
    if (this.#inFlight || this.isStarting) return;
    const { id, isEnded } = this.#conversation();
    const [next] = this.outbox.pending();
    if (!id || (isEnded && next && !next.conversation)) {
      const start = this.#storage.get("start") ?? (next && { client_id: crypto.randomUUID() });
      if (!start) return;
      this.#storage.set("start", start);
      this.isStarting = this.#send({ kind: "start", form: {}, ...start });
    } else if (next) {
      // A message belongs to the conversation in which it was first sent. Another conversation may start before the
      // answer arrives.
      next.conversation ||= id;
      const { client_id, body, conversation } = next;
      if (!this.#send({ kind: "post", client_id, body, conversation })) return;
      this.outbox.keep();
      this.#inFlight = client_id;
      this.#wait(ANSWER_MS);
    }
  }

  /** Records that the connection was lost, so no frame is in flight any more. */
  lost() {
    this.#inFlight = "";
    this.isStarting = false;
  }

  /** Handles a welcome. @param {boolean} isOpen whether there is an open conversation now */
  welcomed(isOpen) {
    if (this.isStarting || isOpen) for (const name of ["start", "form"]) this.#storage.set(name, null);
    this.isStarting = false;
  }

  /** @param {string} client_id @param {boolean} isPlaced whether it is among the messages already */
  accepted(client_id, isPlaced) {
    const entry = this.outbox.entries.find((kept) => kept.client_id === client_id);
    if (isPlaced) this.#accepted.delete(client_id);
    else if (entry) this.#accepted.set(client_id, entry);
    if (this.#inFlight === client_id) this.#inFlight = "";
    if (entry) this.outbox.accepted(client_id);
  }

  /**
   * @param {RefusedFrame} frame
   *
   * @returns {boolean} whether the refusal is about a message; that message then shows the reason itself
   */
  refused({ code, words, client_id, retry_after_ms = 0 }) {
    if (this.isStarting && client_id === this.#storage.get("start")?.client_id) {
      this.isStarting = false;
      if (retry_after_ms) this.#wait(retry_after_ms);
      else {
        this.#storage.set("start", null);
        // No conversation was started. Show the messages as refused, so that the visitor keeps them.
        for (const { client_id: id } of this.outbox.pending()) this.outbox.refused(id, { final: true, reason: words });
      }
      return false;
    }
    const id = client_id || (code === "bad_frame" && this.#inFlight);
    if (!id) return false;
    if (id === this.#inFlight) this.#inFlight = "";
    this.outbox.refused(id, { final: !retry_after_ms, retryAfterMs: retry_after_ms, reason: words });
    return true;
  }

  /** Forgets the accepted entries of the former conversation, because another one is on screen. */
  reset() {
    this.#accepted.clear();
  }

  forget() {
    this.lost();
    this.reset();
    clearTimeout(this.#timer);
    this.outbox.clear();
  }

  /** @param {number} ms */
  #wait(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#inFlight = "";
      this.flush();
      this.#onChange();
    }, ms);
  }
}
