/** Conversations that the agent has gained or lost and has not noticed yet. All tabs share them, and they survive a reload. */

import { get } from "../requests.js";
import { SharedRecord } from "./shared-record.js";

/** @import { Person, Row } from "../../chat/frames.d.ts" */
/** @import { Attention } from "./attention.js" */
/** @import { Change } from "./changes.js" */
/** @import { Store } from "./store.js" */

/** The stored part of a reassignment. It has no names. @typedef {{kind: "gained" | "lost", revision: number, isSeen: boolean}} StoredReassignment */

const MAX_KEPT = 100;
const RETRY_MS = 5000;

export class Reassignments {
  #store;
  #onChange;
  /** @type {SharedRecord<Record<string, StoredReassignment>>} */
  #record;
  /** The row of a conversation and the person who reassigned it, by conversation and revision. @type {Map<string, {row: Row, by: Person | null}>} */
  #details = new Map();
  /** @type {Set<string>} */
  #loading = new Set();

  /** @param {Store} store @param {() => void} onChange */
  constructor(store, onChange) {
    this.#store = store;
    this.#onChange = onChange;
    this.#record = new SharedRecord(`lianxin.reassignments.${store.state.me.id}`, {}, () => this.#loadAll());
    store.onChanges((changes) => changes.forEach((change) => this.#add(change)));
    store.subscribe(() => this.#seeCurrent());
    addEventListener("focus", () => this.#seeCurrent());
    this.#loadAll();
  }

  /** The reassignments that the agent has not noticed, oldest first. @returns {Attention[]} */
  get unseen() {
    return Object.entries(this.#record.value).flatMap(([id, { kind, revision, isSeen }]) => {
      const details = this.#details.get(`${id}.${revision}`);
      return isSeen || !details ? [] : [{ key: `${kind}.${id}.${revision}`, kind, ...details }];
    });
  }

  /** Marks the reassignment of a conversation as noticed, in all tabs. @param {string} id */
  see(id) {
    const reassignment = this.#record.value[id];
    if (!reassignment || reassignment.isSeen) return;
    this.#record.update({ [id]: { ...reassignment, isSeen: true } });
    this.#onChange();
  }

  /** @param {Change} change */
  #add({ kind, row: { id, revision } }) {
    if (kind !== "gained" && kind !== "lost") return;
    // Another tab may have stored this reassignment already, and the agent may have seen it there.
    const known = this.#record.value[id];
    if (known && (revision < known.revision || (revision === known.revision && kind === known.kind))) return;
    this.#record.update({ [id]: { kind, revision, isSeen: false } });
    const entries = Object.entries(this.#record.value);
    if (entries.length > MAX_KEPT) this.#record.replace(Object.fromEntries(entries.slice(-MAX_KEPT)));
    void this.#load(id);
  }

  #loadAll() {
    for (const [id, { isSeen }] of Object.entries(this.#record.value)) if (!isSeen) void this.#load(id);
    this.#onChange();
  }

  /** Asks who reassigned the conversation. The agent's own reassignments, and those that are no longer true, count as noticed. @param {string} id */
  async #load(id) {
    const { kind, revision } = this.#record.value[id];
    const key = `${id}.${revision}`;
    if (this.#details.has(key) || this.#loading.has(key)) return;
    this.#loading.add(key);
    /** @type {import("../requests.js").ConsoleAnswer<{row: Row, by: Person | null}>} */
    const answer = await get(`conversations/${id}/reassignment`);
    this.#loading.delete(key);
    if (!answer.ok) {
      if (answer.status === 0 || answer.status >= 500) setTimeout(() => void this.#load(id), RETRY_MS);
      else this.see(id);
      return;
    }
    const { row, by } = answer.data;
    const { me } = this.#store.state;
    const isMine = row.agent?.id === me.id;
    const isOpen = row.status === "waiting" || row.status === "active";
    if (by?.id === me.id || !isOpen || isMine !== (kind === "gained")) return this.see(id);
    this.#details.set(key, answer.data);
    this.#seeCurrent();
    this.#onChange();
  }

  #seeCurrent() {
    if (this.#store.current && document.visibilityState === "visible" && document.hasFocus()) this.see(this.#store.current);
  }
}
