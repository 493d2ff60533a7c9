/** The conversation on screen: messages as they come, below them what is not accepted yet. */

import { dayElement, messageElement, nameDays, showStatus } from "../chat/bubble.js";
import { make, makeButton } from "../chat/dom.js";
import { progressBar } from "../chat/uploads.js";
import { by } from "./elements.js";

const NEAR_PX = 80;

export class Talk {
  #session;
  #files;
  #words;
  #shown = 0;
  #conversation = "";
  #unplaced = "";
  #isAtEnd = true;
  #scroll = by("scroll");
  #log = by("log");
  /** @type {HTMLElement | undefined} */
  #mine;

  /**
   * @param {import("./session.js").Session} session
   * @param {import("./files.js").Files} files
   * @param {ChatWords} words
   */
  constructor(session, files, words) {
    this.#session = session;
    this.#files = files;
    this.#words = words;
    this.#scroll.onscroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
      this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
      if (this.#isAtEnd) by("newer").hidden = true;
    };
    by("newer").onclick = () => this.toEnd();
    // The keyboard of a phone, or the composer growing, does not cover the last message.
    const observer = new ResizeObserver(() => this.follow());
    for (const each of [this.#scroll, this.#log, by("unplaced")]) observer.observe(each);
  }

  toEnd() {
    this.#isAtEnd = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  /** Whoever is at the end stays there. */
  follow() {
    if (this.#isAtEnd) this.toEnd();
  }

  draw() {
    const { id, thread, isAgentTyping } = this.#session.conversation;
    const wasAtEnd = this.#isAtEnd;
    if (id !== this.#conversation || thread.messages.length < this.#shown) this.#clear();
    const added = this.#drawMessages();
    nameDays(this.#log, this.#session.now, this.#options());
    const isWritten = this.#drawUnplaced();
    const typing = by("typing");
    const isNewTyping = typing.hidden && isAgentTyping;
    typing.hidden = !isAgentTyping;
    if (isNewTyping) {
      const [before, after] = this.#words.is_typing.split("{name}");
      by("typist").replaceChildren(before, make("bdi", "", by("name").textContent ?? ""), after);
    }
    if (this.#mine) showStatus(this.#mine, this.#statusOfMine(), this.#words);
    if (isWritten || (wasAtEnd && (added || isNewTyping))) this.toEnd();
    else if (added && !wasAtEnd) by("newer").hidden = false;
  }

  #clear() {
    this.#log.replaceChildren();
    this.#shown = 0;
    this.#mine = undefined;
    this.#conversation = this.#session.conversation.id;
    this.#isAtEnd = true;
  }

  /** @returns {number} how many were added */
  #drawMessages() {
    const { messages } = this.#session.conversation.thread;
    const fresh = messages.slice(this.#shown);
    if (!fresh.length) return 0;
    // What was said before is there to be read, and is not read aloud.
    this.#log.ariaBusy = String(fresh.length > 3);
    for (const choices of this.#log.querySelectorAll(".choices")) choices.remove();
    const elements = fresh.flatMap((message, index) => this.#elementsOf(message, messages[this.#shown + index - 1], index === fresh.length - 1));
    this.#log.append(...elements);
    this.#shown = messages.length;
    setTimeout(() => (this.#log.ariaBusy = "false"));
    return fresh.length;
  }

  /** @param {ChatMessage} message @param {ChatMessage | undefined} previous @param {boolean} isNewest */
  #elementsOf(message, previous, isNewest) {
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
      if (this.#mine) showStatus(this.#mine, "", this.#words);
      this.#mine = element;
    }
    const day = dayElement(message, previous);
    return day ? [day, element] : [element];
  }

  #options() {
    return {
      words: this.#words,
      language: this.#session.about.language,
      fileUrl: (/** @type {ChatMessage} */ message) => this.#files.url(message),
    };
  }

  /** @returns {MessageStatus} */
  #statusOfMine() {
    const seq = Number(this.#mine?.dataset.seq);
    const { agent_read = 0, agent_received = 0 } = this.#session.conversation.state ?? {};
    return seq <= agent_read ? "read" : seq <= agent_received ? "delivered" : "sent";
  }

  /** @returns {boolean} whether the visitor has just written one more */
  #drawUnplaced() {
    const { sending, conversation } = this.#session;
    const entries = [
      ...sending.unplaced.map((entry) => ({ ...entry, isSent: sending.isAccepted(entry.client_id), isFile: false })),
      ...this.#files.uploads.map((upload) => ({ ...upload, isSent: this.#files.isAccepted(upload.client_id), isFile: true })),
    ];
    const shown = entries.map(({ client_id, isSent, refused }) => [client_id, isSent, refused]);
    const drawn = JSON.stringify([conversation.isEnded, ...shown]);
    if (drawn === this.#unplaced) return false;
    const count = by("unplaced").childElementCount;
    this.#unplaced = drawn;
    by("unplaced").replaceChildren(...entries.map((entry) => this.#unplacedElement(entry)));
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
      const words = isEnded ? this.#words.send_anew : this.#words.retry;
      tools.push(makeButton(words, () => (isFile ? this.#files.queue.retry(client_id) : this.#session.again(client_id)), "retry"));
    }
    if (isFile && !isSent) {
      const words = refused ? this.#words.remove : this.#words.cancel;
      tools.push(makeButton(words, () => this.#files.queue.remove(client_id), "retry"));
    }
    if (isFile && !isSent && !refused) tools.unshift(progressBar({ client_id, body }));
    if (refused || tools.length) element.append(make("p", refused ? "error" : "sending", refused ?? "", " ", ...tools));
    return element;
  }
}
