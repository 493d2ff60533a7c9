/** The messages of one conversation in the order of `seq`, without a gap. */

/** @import { MessageData } from "./frames.d.ts" */

export class Thread {
  /** @type {MessageData[]} */
  messages = [];

  /** The seq of the last message, 0 if there is none. No earlier message is missing. */
  get head() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /**
   * Adds a message if it is the next one in order. If the result is "gap", the caller must fetch the messages after `head`.
   *
   * @param {MessageData} message
   * @returns {"next" | "repeat" | "gap"}
   */
  place(message) {
    if (message.seq <= this.head) return "repeat";
    if (message.seq > this.head + 1) return "gap";
    this.messages.push(message);
    return "next";
  }
}
