/** The messages of one conversation in the order of `seq`: 1, 2, 3 ... without a gap. */

export class Thread {
  /** @type {ChatMessage[]} */
  messages = [];

  /** The last seq up to which nothing is missing. */
  get head() {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /**
   * Takes the message if it is the next one. After "gap" the owner fetches what comes after `head`.
   *
   * @param {ChatMessage} message
   * @returns {"next" | "repeat" | "gap"}
   */
  place(message) {
    if (message.seq <= this.head) return "repeat";
    if (message.seq > this.head + 1) return "gap";
    this.messages.push(message);
    return "next";
  }

  reset() {
    this.messages = [];
  }
}
