/** The elements of a thread: messages, the notes between them, and messages not accepted yet. */

import { dayElement, messageElement, nameDays, showStatus } from "../../chat/message-element.js";
import { isolated } from "../../chat/bidi.js";
import { byId, make, makeButton } from "../../chat/dom.js";
import { BASE } from "../requests.js";
import { serverNow } from "../server-clock.js";

/** @import { MessageData, NoteFrame } from "../../chat/frames.d.ts" */
/** @import { MessageStatus } from "../../chat/message-element.js" */
/** @import { OutboxEntry } from "../../chat/outbox.js" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Outboxes } from "./outboxes.js" */
/** @import { Store } from "./store.js" */
/** @import { ConsoleThread } from "./types.d.ts" */

/** @typedef {{key: string, make: () => HTMLElement}} LogItem */

export class MessageList {
  /** The first and the last seq that are drawn. */
  first = 0;
  last = 0;
  #store;
  #strings;
  #outboxes;
  #onEdit;
  #language = document.documentElement.lang;
  #container = byId("messages");
  #pending = byId("pending");
  #conversation = "";
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, outboxes: Outboxes, onEdit: (body: string) => void}} options
   */
  constructor(store, { strings, outboxes, onEdit }) {
    this.#store = store;
    this.#strings = strings;
    this.#outboxes = outboxes;
    this.#onEdit = onEdit;
  }

  draw() {
    const { thread, current } = this.#store;
    if (this.#conversation !== current) {
      this.#conversation = current;
      this.#elements.clear();
      this.#container.replaceChildren();
    }
    if (thread) this.#reconcile(this.#items(thread));
    nameDays(this.#container, serverNow(), { language: this.#language, strings: this.#strings });
    if (thread) this.#drawStatuses(thread);
    this.first = thread?.messages[0]?.seq ?? 0;
    this.last = thread?.messages.at(-1)?.seq ?? 0;
    this.#drawPending();
  }

  /** @param {ConsoleThread} thread @returns {LogItem[]} in display order */
  #items({ messages, notes }) {
    /** @type {LogItem[]} */
    const items = [];
    const from = messages[0]?.seq ?? 1;
    const rest = notes.filter((note) => note.after_seq >= from - 1 || from === 1);
    /** @param {number} seq */
    const addNotes = (seq) => {
      while (rest.length && rest[0].after_seq <= seq) {
        const note = /** @type {NoteFrame} */ (rest.shift());
        items.push({ key: `note-${note.id}`, make: () => this.#note(note) });
      }
    };
    addNotes(from - 1);
    messages.forEach((message, index) => {
      const previous = messages[index - 1];
      items.push(...this.#day(message, previous), {
        key: `${message.seq} ${message.at} ${previous?.seq ?? ""}`,
        make: () => this.#message(message, previous),
      });
      addNotes(message.seq);
    });
    addNotes(Infinity);
    return items;
  }

  /** @param {MessageData} message @param {MessageData | undefined} previous @returns {LogItem[]} */
  #day(message, previous) {
    const element = dayElement(message, previous);
    return element ? [{ key: `day-${message.seq}`, make: () => element }] : [];
  }

  /** Creates, moves and removes elements so that they match the items. @param {LogItem[]} items */
  #reconcile(items) {
    const keptKeys = new Set();
    let cursor = this.#container.firstElementChild;
    for (const item of items) {
      keptKeys.add(item.key);
      let element = this.#elements.get(item.key);
      if (!element) {
        element = item.make();
        this.#elements.set(item.key, element);
      }
      if (element === cursor) cursor = cursor.nextElementSibling;
      else this.#container.insertBefore(element, cursor);
    }
    for (const [key, element] of this.#elements) {
      if (keptKeys.has(key)) continue;
      element.remove();
      this.#elements.delete(key);
    }
  }

  /** @param {MessageData} message @param {MessageData | undefined} previous */
  #message(message, previous) {
    const isMine = message.role === "agent" && message.number === this.#store.state.me.number;
    const element = messageElement(message, {
      strings: this.#strings,
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

  /** Shows the reply buttons that the visitor sees; agents cannot press them. @param {string[]} choices */
  #choices(choices) {
    const list = make("ul", "choices-shown", ...choices.map((choice) => make("li", "", make("bdi", "", choice))));
    list.ariaLabel = this.#strings.choices;
    return list;
  }

  /** @param {NoteFrame} note */
  #note(note) {
    const format = new Intl.DateTimeFormat(this.#language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const time = make("time", "", format.format(new Date(note.at)));
    time.dateTime = note.at;
    const header = `${this.#strings.note} · ${isolated(note.author.name)} ${note.author.number} `;
    const body = make("p", "body", note.body);
    body.dir = "auto";
    const element = make("div", "note", make("p", "about", header, time), body);
    element.id = `note-${note.conversation}-${note.id}`;
    return element;
  }

  /** Shows the delivery status of the agent's messages, under the last message of each status. @param {ConsoleThread} thread */
  #drawStatuses({ row, messages }) {
    const mine = messages.filter((message) => message.role === "agent" && message.type !== "event");
    const shown = new Map();
    /** @param {number} seq @param {MessageStatus} status */
    const setStatus = (seq, status) => {
      const last = mine.findLast((message) => message.seq <= seq);
      if (last && !shown.has(last.seq)) shown.set(last.seq, status);
    };
    setStatus(row.visitor_read, "read");
    setStatus(row.visitor_received, "delivered");
    setStatus(Infinity, "sent");
    for (const message of mine) {
      const element = document.getElementById(`message-${this.#conversation}-${message.seq}`);
      if (element) showStatus(element, shown.get(message.seq) ?? "", this.#strings);
    }
  }

  #drawPending() {
    const strings = this.#strings;
    const { entries } = this.#outboxes.of(this.#conversation);
    const key = JSON.stringify([this.#conversation, entries]);
    if (this.#pending.dataset.key === key) return;
    this.#pending.dataset.key = key;
    this.#pending.replaceChildren(
      ...entries.map((entry) => {
        const message = { seq: 0, type: "text", role: "agent", name: "", body: entry.body, at: entry.at };
        const status = entry.refused === undefined ? "sending" : "refused";
        const element = messageElement(message, { strings, language: this.#language, mine: true, status });
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
    /** @param {string} text @param {() => void} onClick */
    const button = (text, onClick) => makeButton(text, onClick, "button small");
    const reason = make("p", "why", entry.refused ?? "");
    const retryButton = button(this.#strings.retry, () => outbox.retry(entry.client_id));
    const editButton = button(this.#strings.edit, () => {
      if (!outbox.entries.includes(entry)) return;
      outbox.accepted(entry.client_id);
      this.#onEdit(entry.body);
    });
    const discardButton = button(this.#strings.discard, () => outbox.accepted(entry.client_id));
    return make("div", "refusal", reason, retryButton, editButton, discardButton);
  }
}

