/** The conversation on screen: its messages, its state, and how far each side has read. */

import { Thread } from "../chat/thread.js";

/** @import { MessageData, QueueFrame, State } from "../chat/frames.d.ts" */

export class Conversation {
  thread = new Thread();
  /** @type {State | null} */
  state = null;
  /** The last queue frame, while the visitor waits. @type {QueueFrame | null} */
  queue = null;
  isAgentTyping = false;
  #read = 0;

  get id() {
    return this.state?.id ?? "";
  }

  get isOpen() {
    return this.state?.status === "waiting" || this.state?.status === "active";
  }

  get isEnded() {
    return !!this.state && !this.isOpen;
  }

  /** The number of the bank's messages that have not been on a visible screen. */
  get unread() {
    const read = Math.max(this.#read, this.state?.visitor_read ?? 0);
    return this.thread.messages.filter((message) => message.seq > read && message.role === "agent").length;
  }

  /** @param {State} state */
  setState(state) {
    const { agent_received: received = 0, agent_read: read = 0 } = this.state ?? {};
    this.state = state;
    this.setMarks({ received, read });
    if (state.status !== "waiting") this.queue = null;
    if (!this.isOpen) this.isAgentTyping = false;
  }

  /** @param {MessageData} message @returns {boolean} false if messages before it are missing */
  place(message) {
    if (message.role === "agent") this.isAgentTyping = false;
    return this.thread.place(message) !== "gap";
  }

  /** Advances the agent's read marks; a frame that comes late does not lower them. @param {{received: number, read: number}} marks */
  setMarks({ received, read }) {
    const { state } = this;
    if (!state) return;
    state.agent_received = Math.max(state.agent_received, received);
    state.agent_read = Math.max(state.agent_read, read);
  }

  /** @param {boolean} isVisible @returns {{received: number, read: number}} the visitor's read marks */
  readMarks(isVisible) {
    // The visitor's own messages need no read mark.
    const received = this.thread.messages.findLast((message) => message.role !== "visitor")?.seq ?? 0;
    if (isVisible) this.#read = received;
    return { received, read: this.#read };
  }
}
