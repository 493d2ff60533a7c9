/** Receives the messages of the conversation on screen: fetches those that are missing, and sends the read marks. */

/** @import { AcceptedFrame, MessageData } from "../chat/frames.d.ts" */
/** @import { Session } from "./session.js" */

const BEHIND_MS = 1_000;
const MARK_MS = 400;

export class MessageReceiver {
  #session;
  /** The conversation and the read marks that were sent last. */
  #seen = "";
  #behindTimer = 0;
  #markTimer = 0;

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
  }

  /** @param {MessageData[]} messages @param {boolean} [hasMore] */
  place(messages, hasMore) {
    for (const message of messages) {
      if (!this.#session.conversation.place(message)) return this.fetch();
      if (message.client_id) this.#session.sender.accepted(message.client_id, true);
    }
    if (hasMore) this.fetch();
    this.mark();
  }

  /** @param {AcceptedFrame} frame */
  accepted({ client_id, seq, conversation }) {
    const { id, thread } = this.#session.conversation;
    // The post was stored in the former conversation. Its answer was lost, and another tab has started the current
    // conversation.
    const isOfAnother = (conversation || id) !== id;
    this.#session.sender.accepted(client_id, isOfAnother || seq <= thread.head);
    if (!isOfAnother) this.catchUp(seq);
  }

  fetch() {
    const { id, thread } = this.#session.conversation;
    if (id) this.#session.socket.send({ kind: "fetch", after: thread.head });
  }

  /**
   * Waits a moment, and then fetches the stored message with this seq if it has not arrived.
   *
   * @param {number} seq of the message
   */
  catchUp(seq) {
    const { thread } = this.#session.conversation;
    if (seq <= thread.head) return;
    clearTimeout(this.#behindTimer);
    this.#behindTimer = setTimeout(() => seq > thread.head && this.fetch(), BEHIND_MS);
  }

  /** Sends the read marks, at most once in MARK_MS, so that a burst of messages does not cause a flood of frames. */
  mark() {
    const { conversation, isVisible } = this.#session;
    const marks = conversation.readMarks(isVisible);
    const seen = [conversation.id, marks.received, marks.read].join();
    if (!marks.received || seen === this.#seen || this.#markTimer) return;
    if (!this.#session.socket.send({ kind: "seen", conversation: conversation.id, ...marks })) return;
    this.#seen = seen;
    this.#markTimer = setTimeout(() => {
      this.#markTimer = 0;
      this.mark();
    }, MARK_MS);
  }
}
