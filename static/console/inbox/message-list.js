/** What was said, as elements: messages, the notes between them, and what is not yet accepted. */

import { dayElement, messageElement, nameDays, showStatus } from "../../chat/bubble.js";
import { isolated } from "../../chat/bidi.js";
import { make } from "../../chat/dom.js";
import { BASE } from "../requests.js";
import { serverNow } from "../server-clock.js";

/** @typedef {{key: string, make: () => HTMLElement}} Piece */

export class Log {
  /** The first and the last seq drawn. */
  first = 0;
  last = 0;
  #store;
  #words;
  #outboxes;
  #onEdit;
  #language = document.documentElement.lang;
  #place = /** @type {HTMLElement} */ (document.getElementById("messages"));
  #pending = /** @type {HTMLElement} */ (document.getElementById("pending"));
  #conversation = "";
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, outboxes: import("./outboxes.js").Outboxes, onEdit: (body: string) => void}} options
   */
  constructor(store, { words, outboxes, onEdit }) {
    this.#store = store;
    this.#words = words;
    this.#outboxes = outboxes;
    this.#onEdit = onEdit;
  }

  draw() {
    const { thread, current } = this.#store;
    if (this.#conversation !== current) {
      this.#conversation = current;
      this.#elements.clear();
      this.#place.replaceChildren();
    }
    if (thread) this.#reconcile(this.#pieces(thread));
    nameDays(this.#place, serverNow(), { language: this.#language, words: this.#words });
    if (thread) this.#marks(thread);
    this.first = thread?.messages[0]?.seq ?? 0;
    this.last = thread?.messages.at(-1)?.seq ?? 0;
    this.#drawPending();
  }

  /** @param {ConsoleThread} thread @returns {Piece[]} in the order they stand */
  #pieces({ messages, notes }) {
    /** @type {Piece[]} */
    const pieces = [];
    const from = messages[0]?.seq ?? 1;
    const rest = notes.filter((note) => note.after_seq >= from - 1 || from === 1);
    /** @param {number} seq */
    const addNotes = (seq) => {
      while (rest.length && rest[0].after_seq <= seq) {
        const note = /** @type {ConsoleNote} */ (rest.shift());
        pieces.push({ key: `note-${note.id}`, make: () => this.#note(note) });
      }
    };
    addNotes(from - 1);
    messages.forEach((message, index) => {
      const previous = messages[index - 1];
      pieces.push(...this.#day(message, previous), {
        key: `${message.seq} ${message.at} ${previous?.seq ?? ""}`,
        make: () => this.#message(message, previous),
      });
      addNotes(message.seq);
    });
    addNotes(Infinity);
    return pieces;
  }

  /** @param {ChatMessage} message @param {ChatMessage | undefined} previous @returns {Piece[]} */
  #day(message, previous) {
    const element = dayElement(message, previous);
    return element ? [{ key: `day-${message.seq}`, make: () => element }] : [];
  }

  /** @param {Piece[]} pieces */
  #reconcile(pieces) {
    const kept = new Set();
    let place = this.#place.firstElementChild;
    for (const piece of pieces) {
      kept.add(piece.key);
      let element = this.#elements.get(piece.key);
      if (!element) {
        element = piece.make();
        this.#elements.set(piece.key, element);
      }
      if (element === place) place = place.nextElementSibling;
      else this.#place.insertBefore(element, place);
    }
    for (const [key, element] of this.#elements) {
      if (kept.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
  }

  /** @param {ChatMessage} message @param {ChatMessage | undefined} previous */
  #message(message, previous) {
    const isMine = message.role === "agent" && message.number === this.#store.state.me.number;
    const element = messageElement(message, {
      words: this.#words,
      language: this.#language,
      conversation: this.#conversation,
      mine: isMine,
      previous,
      fileUrl: (file) => `${BASE}attachments/${file.payload?.attachment}`,
    });
    if (message.role === "agent" && !isMine) element.classList.add("colleague");
    if (message.payload?.choices) element.append(this.#choices(message.payload.choices));
    return element;
  }

  /** The buttons as the customer has them; here they are only shown. @param {string[]} choices */
  #choices(choices) {
    const list = make("ul", "choices-shown", ...choices.map((choice) => make("li", "", make("bdi", "", choice))));
    list.ariaLabel = this.#words.choices;
    return list;
  }

  /** @param {ConsoleNote} note */
  #note(note) {
    const format = new Intl.DateTimeFormat(this.#language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const time = make("time", "", format.format(new Date(note.at)));
    time.dateTime = note.at;
    const who = `${this.#words.note} · ${isolated(note.author.name)} ${note.author.number} `;
    const body = make("p", "body", note.body);
    body.dir = "auto";
    const element = make("div", "note", make("p", "about", who, time), body);
    element.id = `note-${note.conversation}-${note.id}`;
    return element;
  }

  /** How far my words have come: said once, under the last of each kind. @param {ConsoleThread} thread */
  #marks({ row, messages }) {
    const mine = messages.filter((message) => message.role === "agent" && message.type !== "event");
    const shown = new Map();
    /** @param {number} seq @param {MessageStatus} status */
    const under = (seq, status) => {
      const last = mine.findLast((message) => message.seq <= seq);
      if (last && !shown.has(last.seq)) shown.set(last.seq, status);
    };
    under(row.visitor_read, "read");
    under(row.visitor_received, "delivered");
    under(Infinity, "sent");
    for (const message of mine) {
      const element = document.getElementById(`message-${this.#conversation}-${message.seq}`);
      if (element) showStatus(element, shown.get(message.seq) ?? "", this.#words);
    }
  }

  #drawPending() {
    const words = this.#words;
    const { entries } = this.#outboxes.of(this.#conversation);
    const key = JSON.stringify([this.#conversation, entries]);
    if (this.#pending.dataset.key === key) return;
    this.#pending.dataset.key = key;
    this.#pending.replaceChildren(
      ...entries.map((entry) => {
        const message = { seq: 0, type: "text", role: "agent", name: "", body: entry.body, at: entry.at };
        const status = entry.refused === undefined ? "sending" : "refused";
        const element = messageElement(message, { words, language: this.#language, mine: true, status });
        element.removeAttribute("data-seq");
        element.classList.add("unsent");
        if (entry.refused !== undefined) element.append(this.#refused(entry));
        return element;
      }),
    );
  }

  /** @param {OutboxEntry} entry */
  #refused(entry) {
    const outbox = this.#outboxes.of(this.#conversation);
    /** @param {string} text @param {() => void} then */
    const button = (text, then) => {
      const element = make("button", "button small", text);
      element.type = "button";
      element.onclick = then;
      return element;
    };
    const why = make("p", "why", entry.refused ?? "");
    const again = button(this.#words.retry, () => outbox.retry(entry.client_id));
    const edit = button(this.#words.edit, () => {
      if (!outbox.entries.includes(entry)) return;
      outbox.accepted(entry.client_id);
      this.#onEdit(entry.body);
    });
    const drop = button(this.#words.discard, () => outbox.accepted(entry.client_id));
    return make("div", "refusal", why, again, edit, drop);
  }
}

