/** Draws the conversation: its messages, and below them the messages and files that the server has not accepted yet. */

import { dayElement, messageElement, nameDays, showStatus } from "../chat/message-element.js";
import { byId, make, makeButton } from "../chat/dom.js";
import { progressBar } from "../chat/uploads.js";

/** @import { MessageData } from "../chat/frames.d.ts" */
/** @import { MessageStatus } from "../chat/message-element.js" */
/** @import { OutboxEntry } from "../chat/outbox.js" */
/** @import { UiStrings } from "../chat/ui-strings.js" */
/** @import { Files } from "./files.js" */
/** @import { Session } from "./session.js" */

const NEAR_PX = 80;

export class MessageList {
  #session;
  #files;
  #strings;
  #shown = 0;
  #conversation = "";
  #unplaced = "";
  #isAtEnd = true;
  #scroll = byId("scroll");
  #log = byId("log");
  /** @type {HTMLElement | undefined} */
  #lastOwn;

  /**
   * @param {Session} session
   * @param {Files} files
   * @param {UiStrings} strings
   */
  constructor(session, files, strings) {
    this.#session = session;
    this.#files = files;
    this.#strings = strings;
    this.#scroll.onscroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
      this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
      if (this.#isAtEnd) byId("newer").hidden = true;
    };
    byId("newer").onclick = () => this.scrollToEnd();
    // Keep the last message visible when a phone's keyboard opens or the composer grows.
    const observer = new ResizeObserver(() => this.stayAtEnd());
    for (const element of [this.#scroll, this.#log, byId("unplaced")]) observer.observe(element);
  }

  scrollToEnd() {
    this.#isAtEnd = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  /** Scrolls to the end if the visitor was there before. */
  stayAtEnd() {
    if (this.#isAtEnd) this.scrollToEnd();
  }

  draw() {
    const { id, thread, isAgentTyping } = this.#session.conversation;
    const wasAtEnd = this.#isAtEnd;
    if (id !== this.#conversation || thread.messages.length < this.#shown) this.#clear();
    const added = this.#drawMessages();
    nameDays(this.#log, this.#session.now, this.#options());
    const isWritten = this.#drawUnplaced();
    const typing = byId("typing");
    const isNewTyping = typing.hidden && isAgentTyping;
    typing.hidden = !isAgentTyping;
    if (isNewTyping) {
      const [before, after] = this.#strings.is_typing.split("{name}");
      byId("typist").replaceChildren(before, make("bdi", "", byId("name").textContent ?? ""), after);
    }
    if (this.#lastOwn) showStatus(this.#lastOwn, this.#statusOfLastOwn(), this.#strings);
    if (isWritten || (wasAtEnd && (added || isNewTyping))) this.scrollToEnd();
    else if (added && !wasAtEnd) byId("newer").hidden = false;
  }

  #clear() {
    this.#log.replaceChildren();
    this.#shown = 0;
    this.#lastOwn = undefined;
    this.#conversation = this.#session.conversation.id;
    this.#isAtEnd = true;
  }

  /** @returns {number} the number of messages added */
  #drawMessages() {
    const { messages } = this.#session.conversation.thread;
    const fresh = messages.slice(this.#shown);
    if (!fresh.length) return 0;
    // A screen reader must not read out a whole history.
    this.#log.ariaBusy = String(fresh.length > 3);
    for (const choices of this.#log.querySelectorAll(".choices")) choices.remove();
    const elements = fresh.flatMap((message, index) => this.#elementsOf(message, messages[this.#shown + index - 1], index === fresh.length - 1));
    this.#log.append(...elements);
    this.#shown = messages.length;
    setTimeout(() => (this.#log.ariaBusy = "false"));
    return fresh.length;
  }

  /** @param {MessageData} message @param {MessageData | undefined} previous @param {boolean} isNewest */
  #elementsOf({ ...message }, previous, isNewest) {
    // The record says "the visitor", but the visitor reads "you".
    message.body = message.payload?.to_visitor ?? message.body;
    const mine = message.role === "visitor";
    const options = {
      ...this.#options(),
      conversation: this.#conversation,
      mine,
      previous,
      onChoice: isNewest && this.#session.conversation.isOpen ? (/** @type {string} */ text) => this.#session.post(text) : undefined,
    };
    const element = messageElement(message, options);
    if (mine) {
      if (this.#lastOwn) showStatus(this.#lastOwn, "", this.#strings);
      this.#lastOwn = element;
    }
    const day = dayElement(message, previous);
    return day ? [day, element] : [element];
  }

  #options() {
    return {
      strings: this.#strings,
      language: this.#session.about.language,
      fileUrl: (/** @type {MessageData} */ message) => this.#files.url(message),
    };
  }

  /** @returns {MessageStatus} */
  #statusOfLastOwn() {
    const seq = Number(this.#lastOwn?.dataset.seq);
    const { agent_read = 0, agent_received = 0 } = this.#session.conversation.state ?? {};
    return seq <= agent_read ? "read" : seq <= agent_received ? "delivered" : "sent";
  }

  /**
   * Draws the messages and files that are not in the thread yet.
   *
   * @returns {boolean} whether there are more than before
   */
  #drawUnplaced() {
    const { sender, conversation } = this.#session;
    const entries = [
      ...sender.unplaced.map((entry) => ({ ...entry, isSent: sender.isAccepted(entry.client_id), isFile: false })),
      ...this.#files.uploads.map((upload) => ({ ...upload, isSent: this.#files.isAccepted(upload.client_id), isFile: true })),
    ];
    const shown = entries.map(({ client_id, isSent, refused }) => [client_id, isSent, refused]);
    const drawn = JSON.stringify([conversation.isEnded, ...shown]);
    if (drawn === this.#unplaced) return false;
    const count = byId("unplaced").childElementCount;
    this.#unplaced = drawn;
    byId("unplaced").replaceChildren(...entries.map((entry) => this.#unplacedElement(entry)));
    return entries.length > count;
  }

  /** @param {OutboxEntry & {isSent: boolean, isFile: boolean, isHopeless?: boolean}} entry */
  #unplacedElement({ client_id, body, at, refused, isSent, isFile, isHopeless }) {
    const message = { seq: 0, type: "text", role: "visitor", name: "", body, at };
    const previous = this.#session.conversation.thread.messages.at(-1);
    const status = refused ? "refused" : isSent ? "sent" : "sending";
    const element = messageElement(message, { ...this.#options(), mine: true, previous, status });
    const { isEnded } = this.#session.conversation;
    const tools = [];
    if (refused && !isHopeless && !(isFile && isEnded)) {
      const label = isEnded ? this.#strings.send_anew : this.#strings.retry;
      tools.push(makeButton(label, () => (isFile ? this.#files.queue.retry(client_id) : this.#session.retry(client_id)), "retry"));
    }
    if (isFile && !isSent) {
      const label = refused ? this.#strings.remove : this.#strings.cancel;
      tools.push(makeButton(label, () => this.#files.queue.remove(client_id), "retry"));
    }
    if (isFile && !isSent && !refused) tools.unshift(progressBar({ client_id, body }));
    if (refused || tools.length) element.append(make("p", refused ? "error" : "sending", refused ?? "", " ", ...tools));
    return element;
  }
}
