/** What the agent has sent and the server has not yet accepted: an outbox for each conversation, in this tab. */

import { Outbox } from "../../chat/outbox.js";
import { storage } from "./drafts.js";
import { post } from "../requests.js";

const AGAIN_MS = 3000;
const LATE_MS = 2000;

/** @typedef {OutboxEntry & {choices?: string[], source?: string}} Entry */

export class Outboxes {
  #prefix;
  #onChange;
  #onAccepted;
  #onRefused;
  #onSignedOut;
  /** @type {Map<string, Outbox>} */
  #outboxes = new Map();
  /** When an entry was written, by `performance.now()`. @type {WeakMap<OutboxEntry, number>} */
  #writtenAt = new WeakMap();
  /** @type {Set<string>} those being sent just now */
  #busy = new Set();

  /**
   * @param {number} staff whose: another who signs in on this tab does not send them
   * @param {{onChange: () => void, onAccepted: (id: string, entry: Entry, accepted: any) => void,
   *          onRefused: (id: string, words: string) => void, onSignedOut: () => void}} options
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

  /** @param {string} id @param {ConsoleDraft} draft */
  send(id, { body, choices, source }) {
    /** @type {Entry} */
    const entry = { client_id: crypto.randomUUID(), body, at: new Date().toISOString(), conversation: id };
    if (choices.length) entry.choices = choices;
    if (source) entry.source = source;
    this.#writtenAt.set(entry, performance.now());
    this.of(id).add(entry);
  }

  /** Everything that still waits, of every conversation. */
  flushAll() {
    for (const id of this.#outboxes.keys()) void this.#flush(id);
  }

  /** A message of mine that has come back over the socket was accepted, whatever became of the answer. @param {ConsoleState} state */
  settle(state) {
    for (const [id, outbox] of this.#outboxes) {
      if (!outbox.entries.length || !state.threads[id]) continue;
      const stored = new Set(state.threads[id].messages.map((message) => message.client_id));
      for (const { client_id } of [...outbox.entries]) if (stored.has(client_id)) outbox.accepted(client_id);
    }
  }

  /** How many are not accepted, those too that were refused. */
  get unsent() {
    return [...this.#outboxes.values()].reduce((sum, outbox) => sum + outbox.entries.length, 0);
  }

  /** How many have waited longer than a moment. One from before a reload counts from when this page was loaded. */
  get late() {
    const before = performance.now() - LATE_MS;
    const all = [...this.#outboxes.values()].flatMap((outbox) => outbox.entries);
    return all.filter((entry) => !entry.refused && (this.#writtenAt.get(entry) ?? 0) < before).length;
  }

  /** One after the other, in the order written. @param {string} id */
  async #flush(id) {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    const outbox = this.of(id);
    for (let entry; (entry = /** @type {Entry | undefined} */ (outbox.pending()[0])); ) {
      const { client_id, body, choices = [], source = "" } = entry;
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
      const words = refused?.words ?? "";
      outbox.refused(client_id, { final: isFinal, retryAfterMs: refused?.retry_after_ms ?? AGAIN_MS, words });
      if (!isFinal) break;
      this.#onRefused(id, words);
    }
    this.#busy.delete(id);
  }
}
