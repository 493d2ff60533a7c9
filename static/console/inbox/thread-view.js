/** The conversation before the agent: its head, what may be done with it, and where it is scrolled to. */

import { isolated } from "../../chat/bidi.js";
import { fill } from "../../chat/ui-strings.js";
import { nameOf, spokenName } from "./conversation-lists.js";
import { Log } from "./message-list.js";
import { BASE } from "../requests.js";
import { isBarred } from "./state.js";

const NEAR_PX = 80;

export class Talk {
  #store;
  #words;
  #departments;
  #live;
  #log;
  #isAtEnd = true;
  /** The conversation that was drawn last, and whether its end has been shown. */
  #drawn = "";
  #wasLoaded = false;
  #scroller = byId("log");

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, departments: Record<string, string>, live: import("./live-connection.js").Live,
   *          outboxes: import("./outboxes.js").Outboxes, onEdit: (body: string) => void}} options
   */
  constructor(store, { words, departments, live, outboxes, onEdit }) {
    this.#store = store;
    this.#words = words;
    this.#departments = departments;
    this.#live = live;
    this.#log = new Log(store, { words, outboxes, onEdit });
    store.subscribe(() => this.draw());
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    byId("newer").onclick = () => this.toEnd();
    byId("older").onclick = () => live.older(store.current);
    for (const name of ["visibilitychange", "focus"]) addEventListener(name, () => this.#read());
    // A picture that has loaded, or a composer that grew, must not push the last words out of sight.
    new ResizeObserver(() => this.#isAtEnd && this.toEnd()).observe(byId("messages"));
    new ResizeObserver(() => this.#isAtEnd && this.toEnd()).observe(this.#scroller);
    setInterval(() => this.#typing(), 1000);
    document.addEventListener("day-changed", () => this.draw());
  }

  draw() {
    const { row, thread, current } = this.#store;
    byId("talk-empty").hidden = Boolean(current);
    byId("talk-open").hidden = !row || !current;
    if (!row || !current) {
      this.#drawn = "";
      return;
    }
    const isNew = this.#drawn !== current;
    if (isNew) this.#isAtEnd = true;
    this.#head(row);
    const height = this.#scroller.scrollHeight;
    const wasEarlier = this.#log.first;
    this.#log.draw();
    byId("older").hidden = !thread?.isLoaded || (thread.messages[0]?.seq ?? 1) <= 1;
    const isPrepended = !isNew && this.#log.first < wasEarlier;
    if (isPrepended) this.#scroller.scrollTop += this.#scroller.scrollHeight - height;
    else if (this.#isAtEnd) this.toEnd();
    else byId("newer").hidden = this.#log.last <= (thread?.row.agent_read ?? 0) || row.status === "closed";
    if (thread?.isLoaded && (isNew || !this.#wasLoaded)) this.#toWords();
    this.#drawn = current;
    this.#wasLoaded = Boolean(thread?.isLoaded);
    this.#typing();
    this.#read();
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#isAtEnd = true;
    byId("newer").hidden = true;
  }

  /** The address may name a message that was searched for. */
  #toWords() {
    if (!this.#store.wanted) return;
    const message = document.getElementById(location.hash.slice(1));
    if (!message) return;
    this.#isAtEnd = false;
    message.scrollIntoView({ block: "center" });
    message.classList.add("found");
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    this.#isAtEnd = scrollTop + clientHeight >= scrollHeight - NEAR_PX;
    if (this.#isAtEnd) byId("newer").hidden = true;
    this.#read();
  }

  #read() {
    if (this.#isAtEnd && this.#drawn && document.visibilityState === "visible" && document.hasFocus()) {
      this.#live.read(this.#drawn);
    }
  }

  #typing() {
    const { state, current, row } = this.#store;
    const line = byId("typing");
    line.hidden = !row || !(state.typing[current] > performance.now());
    if (!line.hidden && row) line.textContent = fill(this.#words.is_typing, { name: spokenName(row, this.#words) });
  }

  /** @param {ConsoleRow} row */
  #head(row) {
    const words = this.#words;
    const { me } = this.#store.state;
    byId("talk-name").textContent = nameOf(row, words);
    const about = [words[row.level], this.#departments[row.department], isolated(row.subject)].filter(Boolean);
    byId("talk-about").textContent = about.join(" · ");
    byId("talk-about").dataset.level = row.level;
    const isMine = row.agent?.id === me.id && row.status !== "waiting";
    const isOpen = row.status === "waiting" || row.status === "active";
    const allowed = {
      any: true,
      take: row.status === "waiting" && !isBarred(this.#store.state, row),
      move: isOpen && (isMine || me.sees_all),
      note: true,
      end: isMine && row.status === "active",
      close: isMine && row.status !== "closed",
    };
    for (const tool of byId("talk-tools").querySelectorAll("[data-needs]")) {
      const needs = /** @type {keyof typeof allowed} */ (/** @type {HTMLElement} */ (tool).dataset.needs);
      /** @type {HTMLElement} */ (tool).hidden = !allowed[needs];
    }
    /** @type {HTMLAnchorElement} */ (byId("download")).href = `${BASE}conversations/${row.id}/transcript`;
    const state = byId("talk-state");
    const said = this.#standing(row, isMine);
    state.hidden = !said;
    byId("talk-state-words").textContent = said;
    byId("talk-state-exam").hidden = !isBarred(this.#store.state, row);
  }

  /** @param {ConsoleRow} row @param {boolean} isMine @returns {string} why nothing can be written here, or "" */
  #standing(row, isMine) {
    const words = this.#words;
    if (row.status === "closed") return words.closed;
    if (isBarred(this.#store.state, row)) return words.waiting_barred;
    if (row.status === "waiting") return words.waiting_first;
    if (!isMine) return fill(words.not_mine, { name: row.agent ? `${isolated(row.agent.name)} ${row.agent.number}` : "" });
    if (row.status === "wrap_up") return row.ended_by === "visitor" ? words.ended_by_visitor : words.ended_by_agent;
    return "";
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
