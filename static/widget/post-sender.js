/** What the visitor has written, on its way: the conversation is begun first, then one message goes at a time. */

import { Outbox } from "../chat/outbox.js";

const ANSWER_MS = 15_000;

export class Sending {
  #memory;
  #send;
  #conversation;
  #onChange;
  #inFlight = "";
  /** @type {Map<string, OutboxEntry>} accepted, and not yet come back as a message */
  #accepted = new Map();
  #timer = 0;
  /** Begin was sent on this line and has no answer yet. */
  hasBegun = false;

  /**
   * @param {import("./storage.js").Memory} memory
   * @param {(frame: ChatFrame) => boolean} send false: not now, `flush` comes again
   * @param {() => import("./conversation.js").Conversation} conversation on screen
   * @param {() => void} onChange
   */
  constructor(memory, send, conversation, onChange) {
    this.#memory = memory;
    this.#send = send;
    this.#conversation = conversation;
    this.#onChange = onChange;
    this.outbox = new Outbox({
      storage: memory.session,
      key: memory.key("outbox"),
      onChange: () => {
        this.flush();
        onChange();
      },
    });
  }

  /** Accepted messages that have not come back yet, and those not accepted, in order. */
  get unplaced() {
    return [...this.#accepted.values(), ...this.outbox.entries];
  }

  /** @param {string} client_id */
  isAccepted(client_id) {
    return this.#accepted.has(client_id);
  }

  /** Kept until it is answered: begun twice under one id is begun once. @param {{form?: object, topic?: number}} [beginning] */
  begin(beginning) {
    if (!this.#memory.get("start")) this.#memory.set("start", { client_id: crypto.randomUUID(), ...beginning });
    this.flush();
  }

  /** @param {string} body */
  post(body) {
    const conversation = this.#conversation().id;
    this.outbox.add({ client_id: crypto.randomUUID(), body, at: new Date().toISOString(), conversation });
  }

  /** One at a time, so that nothing overtakes what the server has put off. */
  flush() {
    if (this.#inFlight || this.hasBegun) return;
    const { id, isEnded } = this.#conversation();
    const [next] = this.outbox.pending();
    if (!id || (isEnded && next && !next.conversation)) {
      const start = this.#memory.get("start") ?? (next && { client_id: crypto.randomUUID() });
      if (!start) return;
      this.#memory.set("start", start);
      this.hasBegun = this.#send({ kind: "start", form: {}, ...start });
    } else if (next) {
      // From its first try on it belongs to that conversation: another may have begun before the answer comes.
      next.conversation ||= id;
      const { client_id, body, conversation } = next;
      if (!this.#send({ kind: "post", client_id, body, conversation })) return;
      this.outbox.keep();
      this.#inFlight = client_id;
      this.#wait(ANSWER_MS);
    }
  }

  /** The line was lost: nothing is on its way any more. */
  lost() {
    this.#inFlight = "";
    this.hasBegun = false;
  }

  /** A welcome came. @param {boolean} isOpen whether there is an open conversation now */
  welcomed(isOpen) {
    if (this.hasBegun || isOpen) for (const name of ["start", "form"]) this.#memory.set(name, null);
    this.hasBegun = false;
  }

  /** @param {string} client_id @param {boolean} isPlaced whether it is among the messages by now */
  accepted(client_id, isPlaced) {
    const entry = this.outbox.entries.find((each) => each.client_id === client_id);
    if (isPlaced) this.#accepted.delete(client_id);
    else if (entry) this.#accepted.set(client_id, entry);
    if (this.#inFlight === client_id) this.#inFlight = "";
    if (entry) this.outbox.accepted(client_id);
  }

  /** @param {ChatFrame} frame @returns {boolean} whether it was about a message, which now says so itself */
  refused({ code, words, client_id, retry_after_ms = 0 }) {
    if (this.hasBegun && client_id === this.#memory.get("start")?.client_id) {
      this.hasBegun = false;
      if (retry_after_ms) this.#wait(retry_after_ms);
      else {
        this.#memory.set("start", null);
        // Nothing was begun, so these stay with their writer.
        for (const { client_id: id } of this.outbox.pending()) this.outbox.refused(id, { final: true, words });
      }
      return false;
    }
    const id = client_id || (code === "bad_frame" && this.#inFlight);
    if (!id) return false;
    if (id === this.#inFlight) this.#inFlight = "";
    this.outbox.refused(id, { final: !retry_after_ms, retryAfterMs: retry_after_ms, words });
    return true;
  }

  /** Another conversation is on screen. */
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
