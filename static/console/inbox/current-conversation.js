/** Controls which conversation is open: opens one, moves to the next, leaves it. Keeps the page's URL up to date. */

import { byId } from "../../chat/dom.js";
import { toast } from "./connection-status.js";
import { secondsWaiting } from "./conversation-lists.js";
import { BASE } from "../requests.js";
import { mine } from "./state.js";

/** @import { Row } from "../../chat/frames.d.ts" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { ConversationLists } from "./conversation-lists.js" */
/** @import { LiveConnection } from "./live-connection.js" */
/** @import { Store } from "./store.js" */

export class CurrentConversation {
  #store;
  #strings;
  #live;
  #lists;
  #onOpen;
  #columns = byId("main");

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, live: LiveConnection, lists: ConversationLists,
   *          onOpen: () => void}} options `onOpen`: a conversation has been opened for writing
   */
  constructor(store, { strings, live, lists, onOpen }) {
    this.#store = store;
    this.#strings = strings;
    this.#live = live;
    this.#lists = lists;
    this.#onOpen = onOpen;
    addEventListener("popstate", () => {
      const id = /conversations\/([0-9a-f-]{36})\//.exec(location.pathname)?.[1] ?? "";
      if (id !== store.current) this.choose(id);
    });
  }

  /**
   * Opens a conversation and loads its thread.
   *
   * @param {string} id
   * @param {{push?: boolean, write?: boolean}} [options] `push`: add the URL to the history; `write`: focus the composer
   */
  async show(id, { push = true, write = true } = {}) {
    const store = this.#store;
    const path = `${BASE}conversations/${id}/`;
    if (push && location.pathname !== path) history.pushState({ id }, "", path);
    this.#columns.dataset.column = "conversation";
    this.#columns.removeAttribute("data-card");
    store.choose(id);
    const answer = await this.#live.load(id);
    if (!answer.ok && store.current === id) {
      toast(answer.refused?.words ?? this.#strings.offline_write);
      if (answer.status === 404) this.choose("");
    }
    if (write && store.current === id) requestAnimationFrame(this.#onOpen);
  }

  /** @param {string} id "" for none */
  choose(id) {
    if (id) return void this.show(id, { push: false });
    if (location.pathname !== BASE) history.pushState({}, "", BASE);
    this.#columns.dataset.column = "lists";
    this.#store.choose("");
  }

  /**
   * Leaves a finished conversation, and opens another active conversation of the agent, preferably the one whose visitor
   * has waited longest.
   *
   * @param {string} id
   */
  leave(id) {
    const rest = mine(this.#store.state).filter((row) => row.id !== id && row.status === "active");
    const next = longestWaiting(rest) ?? rest[0];
    if (next) void this.show(next.id);
    else this.choose("");
  }

  /** Opens the agent's conversation whose visitor has waited longest for an answer. */
  showLongestWaiting() {
    const row = longestWaiting(mine(this.#store.state));
    if (row) void this.show(row.id);
  }

  /** Opens the next or the previous conversation in the lists. @param {number} step 1 for down, -1 for up */
  move(step) {
    const order = this.#lists.order();
    if (!order.length) return;
    const at = order.indexOf(this.#store.current);
    const index = at < 0 ? (step > 0 ? 0 : order.length - 1) : (at + step + order.length) % order.length;
    void this.show(order[index], { write: false });
    document.querySelector(`#row-${CSS.escape(order[index])} .row-link`)?.scrollIntoView({ block: "nearest" });
  }

  toggleCard() {
    const isOpen = this.#columns.dataset.card === "open";
    if (isOpen) delete this.#columns.dataset.card;
    else this.#columns.dataset.card = "open";
    document.querySelector("[data-do=card]")?.setAttribute("aria-expanded", String(!isOpen));
  }
}

/** @param {Row[]} rows */
function longestWaiting(rows) {
  return rows
    .filter((row) => secondsWaiting(row) !== null)
    .sort((one, other) => Number(secondsWaiting(other)) - Number(secondsWaiting(one)))[0];
}
