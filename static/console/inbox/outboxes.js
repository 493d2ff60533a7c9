/** Messages that the server has not accepted yet: one outbox per conversation, in this tab's storage. */

import { Outbox } from "../../chat/outbox.js";
import { storage } from "./drafts.js";
import { post } from "../requests.js";

/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { AcceptedFrame } from "../../chat/frames.d.ts" */
/** @import { OutboxEntry } from "../../chat/outbox.js" */
/** @import { Draft } from "./drafts.js" */
/** @import { ConsoleState } from "./types.d.ts" */

const RETRY_MS = 3000;
const LATE_MS = 2000;

export class Outboxes {
  #prefix;
  #onChange;
  #onAccepted;
  #onRefused;
  #onSignedOut;
  /** @type {Map<string, Outbox>} */
  #outboxes = new Map();
  /** When each entry was written, by `performance.now()`. @type {WeakMap<OutboxEntry, number>} */
  #writtenAt = new WeakMap();
  /** @type {Set<string>} conversations whose outbox is being sent */
  #busy = new Set();

  /**
   * @param {number} staff id of the sender: another staff member who signs in on this tab must not send these messages
   * @param {{onChange: () => void, onAccepted: (id: string, entry: OutboxEntry, accepted: AcceptedFrame) => void,
   *          onRefused: (id: string, message: string) => void, onSignedOut: () => void}} options
   */
  constructor(staff, { onChange, onAccepted, onRefused, onSignedOut }) {
    this.#prefix = `lianxin.outbox.${staff}.`;
    this.#onChange = onChange;
    this.#onAccepted = onAccepted;
    this.#onRefused = onRefused;
    this.#onSignedOut = onSignedOut;
    for (const key of storage.keys()) if (key.startsWith(this.#prefix)) this.of(key.slice(this.#prefix.length));
  }

  /** @param {string} id of a conversation */
  of(id) {
    let outbox = this.#outboxes.get(id);
    if (!outbox) {
      const onChange = () => {
        this.#onChange();
        void this.#flush(id);
      };
      outbox = new Outbox({ storage: storage.session, key: this.#prefix + id, onChange });
      this.#outboxes.set(id, outbox);
    }
    return outbox;
  }

  /** @param {string} id @param {Draft} draft */
  send(id, { body, choices, source }) {
    /** @type {OutboxEntry} */
    const entry = { client_id: crypto.randomUUID(), body, at: new Date().toISOString(), conversation: id };
    if (choices.length) entry.choices = choices;
    if (source) entry.source = source;
    this.#writtenAt.set(entry, performance.now());
    this.of(id).add(entry);
  }

  /** Sends the waiting messages of every conversation. */
  flushAll() {
    for (const id of this.#outboxes.keys()) void this.#flush(id);
  }

  /**
   * Treats a message as accepted if it has come back over the socket, because the answer to its POST may be lost.
   *
   * @param {ConsoleState} state
   */
  settle(state) {
    for (const [id, outbox] of this.#outboxes) {
      if (!outbox.entries.length || !state.threads[id]) continue;
      const stored = new Set(state.threads[id].messages.map((message) => message.client_id));
      for (const { client_id } of [...outbox.entries]) if (stored.has(client_id)) outbox.accepted(client_id);
    }
  }

  /** Number of messages that are not accepted, including refused ones. */
  get unsent() {
    return [...this.#outboxes.values()].reduce((sum, outbox) => sum + outbox.entries.length, 0);
  }

  /**
   * Number of messages that have waited for more than two seconds, without refused ones. A reload of the page starts the
   * two seconds again.
   */
  get late() {
    const before = performance.now() - LATE_MS;
    const all = [...this.#outboxes.values()].flatMap((outbox) => outbox.entries);
    return all.filter((entry) => !entry.refused && (this.#writtenAt.get(entry) ?? 0) < before).length;
  }

  /** Sends a conversation's messages one after the other, in the order written. @param {string} id */
  async #flush(id) {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    const outbox = this.of(id);
    for (let entry; (entry = /** @type {OutboxEntry | undefined} */ (outbox.pending()[0])); ) {
      const { client_id, body, choices = [], source = "" } = entry;
      /** @type {ConsoleAnswer<{accepted: AcceptedFrame}>} */
      const answer = await post(`conversations/${id}/messages`, { client_id, body, choices, source });
      if (answer.ok && answer.data?.accepted) {
        this.#onAccepted(id, entry, answer.data.accepted);
        outbox.accepted(client_id);
        continue;
      }
      const { refused } = answer;
      if (answer.status === 401 || (answer.status === 403 && !refused)) {
        this.#onSignedOut();
        break;
      }
      const isFinal = refused !== null && !refused.retry_after_ms;
      const reason = refused?.words ?? "";
      outbox.refused(client_id, { final: isFinal, retryAfterMs: refused?.retry_after_ms ?? RETRY_MS, reason });
      if (!isFinal) break;
      this.#onRefused(id, reason);
    }
    this.#busy.delete(id);
  }
}
