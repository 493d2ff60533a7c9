/** The open conversation: its header, the available tools, and the scroll position. */

import { isolated } from "../../chat/bidi.js";
import { byId, setText } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { awayText, emergencyReason, nameOf, isolatedName, offeredWords } from "./conversation-lists.js";
import { MessageList } from "./message-list.js";
import { find } from "../find.js";
import { BASE } from "../requests.js";
import { isOffer, isRestricted, isUrgent } from "./state.js";
import { obstacleTo } from "./workload.js";

/** @import { Row } from "../../chat/frames.d.ts" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { LiveConnection } from "./live-connection.js" */
/** @import { Outboxes } from "./outboxes.js" */
/** @import { Store } from "./store.js" */

const NEAR_PX = 80;

export class ThreadView {
  #store;
  #strings;
  #departments;
  #live;
  #messageList;
  #isAtEnd = true;
  /** The id of the conversation drawn last, "" for none. */
  #drawnConversation = "";
  /** Whether the messages of `#drawnConversation` were loaded when it was drawn. */
  #wasLoaded = false;
  #scroller = byId("log");

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, departments: Record<string, string>, live: LiveConnection,
   *          outboxes: Outboxes, onEdit: (body: string) => void}} options
   */
  constructor(store, { strings, departments, live, outboxes, onEdit }) {
    this.#store = store;
    this.#strings = strings;
    this.#departments = departments;
    this.#live = live;
    this.#messageList = new MessageList(store, { strings, outboxes, onEdit });
    store.subscribe(() => this.draw());
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    byId("newer").onclick = () => this.toEnd();
    byId("older").onclick = () => live.older(store.current);
    for (const name of ["visibilitychange", "focus"]) addEventListener(name, () => this.#reportRead());
    // A loaded image or a growing composer must not push the last message out of view.
    new ResizeObserver(() => this.#isAtEnd && this.toEnd()).observe(byId("messages"));
    new ResizeObserver(() => this.#isAtEnd && this.toEnd()).observe(this.#scroller);
    setInterval(() => {
      this.#drawTyping();
      if (store.row) this.#drawAbout(store.row);
    }, 1000);
    document.addEventListener("day-changed", () => this.draw());
  }

  draw() {
    const { row, thread, current } = this.#store;
    byId("conversation-empty").hidden = Boolean(current);
    byId("conversation-open").hidden = !row || !current;
    if (!row || !current) {
      this.#drawnConversation = "";
      return;
    }
    const isNew = this.#drawnConversation !== current;
    if (isNew) this.#isAtEnd = true;
    this.#drawHeader(row);
    const height = this.#scroller.scrollHeight;
    const previousFirst = this.#messageList.first;
    this.#messageList.draw();
    byId("older").hidden = !thread?.isLoaded || (thread.messages[0]?.seq ?? 1) <= 1;
    const isPrepended = !isNew && this.#messageList.first < previousFirst;
    if (isPrepended) this.#scroller.scrollTop += this.#scroller.scrollHeight - height;
    else if (this.#isAtEnd) this.toEnd();
    else byId("newer").hidden = this.#messageList.last <= (thread?.row.agent_read ?? 0) || row.status === "closed";
    if (thread?.isLoaded && (isNew || !this.#wasLoaded)) this.#scrollToWanted();
    this.#drawnConversation = current;
    this.#wasLoaded = Boolean(thread?.isLoaded);
    this.#drawTyping();
    this.#reportRead();
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#isAtEnd = true;
    byId("newer").hidden = true;
  }

  /** Scrolls to the message that the URL names, from a search result. */
  #scrollToWanted() {
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
    this.#reportRead();
  }

  #reportRead() {
    if (this.#isAtEnd && this.#drawnConversation && document.visibilityState === "visible" && document.hasFocus()) {
      this.#live.read(this.#drawnConversation);
    }
  }

  #drawTyping() {
    const { state, current, row } = this.#store;
    const indicator = byId("typing");
    indicator.hidden = !row || !(state.typing[current] > performance.now());
    if (!indicator.hidden && row) indicator.textContent = fill(this.#strings.is_typing, { name: isolatedName(row, this.#strings) });
  }

  /** @param {Row} row */
  #drawHeader(row) {
    const strings = this.#strings;
    const { me } = this.#store.state;
    byId("conversation-name").textContent = nameOf(row, strings);
    this.#drawAbout(row);
    byId("conversation-emergency").hidden = !isUrgent(row);
    setText(find(byId("conversation-emergency"), ".emergency-text"), strings[`emergency_${row.emergency}`] ?? "");
    setText(byId("conversation-emergency-reason"), emergencyReason(row, strings));
    const isMine = row.agent?.id === me.id && row.status !== "waiting";
    const isOpen = row.status === "waiting" || row.status === "active";
    const isOffered = isOffer(this.#store.state, row);
    const allowed = {
      any: true,
      offer: isOffered,
      take: row.status === "waiting" && !isOffered && !obstacleTo(this.#store.state, row),
      raise: isOpen && !isUrgent(row),
      confirm: isOpen && row.emergency === "raised" && me.sees_all,
      lower: isOpen && isUrgent(row) && me.sees_all,
      move: isOpen && (isMine || me.sees_all),
      note: true,
      end: isMine && row.status === "active",
      close: isMine && row.status !== "closed",
    };
    for (const tool of byId("conversation-top").querySelectorAll("[data-needs]")) {
      const needs = /** @type {keyof typeof allowed} */ (/** @type {HTMLElement} */ (tool).dataset.needs);
      /** @type {HTMLElement} */ (tool).hidden = !allowed[needs];
    }
    /** @type {HTMLAnchorElement} */ (byId("download")).href = `${BASE}conversations/${row.id}/transcript`;
    const state = byId("conversation-state");
    const reason = this.#readOnlyReason(row, isMine);
    state.hidden = !reason;
    byId("conversation-state-text").textContent = reason;
    byId("conversation-state-exam").hidden = !isRestricted(this.#store.state, row);
  }

  /** @param {Row} row */
  #drawAbout(row) {
    const strings = this.#strings;
    const offer = offeredWords(this.#store.state, row, strings);
    const level = strings[row.level];
    const about = [awayText(row, strings), level, this.#departments[row.department], offer, isolated(row.subject)];
    setText(byId("conversation-about"), about.filter(Boolean).join(" · "));
    byId("conversation-about").dataset.level = row.level;
  }

  /** @param {Row} row @param {boolean} isMine @returns {string} why the agent cannot write here, or "" */
  #readOnlyReason(row, isMine) {
    const strings = this.#strings;
    if (row.status === "closed") return strings.closed;
    if (row.status === "abandoned") return strings.abandoned;
    if (isOffer(this.#store.state, row)) return strings.offer_first;
    if (row.status === "waiting") return strings[obstacleTo(this.#store.state, row) || "waiting_first"];
    if (!isMine) return fill(strings.not_mine, { name: row.agent ? `${isolated(row.agent.name)} ${row.agent.number}` : "" });
    if (row.status === "wrap_up") return row.ended_by === "visitor" ? strings.ended_by_visitor : strings.ended_by_agent;
    return "";
  }
}
