/** The three lists of conversations: own, queue and team. A changed row keeps its element; only differing parts are redrawn. */

import { isolated } from "../../chat/bidi.js";
import { byId, setText } from "../../chat/dom.js";
import { find } from "../find.js";
import { fill } from "../../chat/ui-strings.js";
import { BASE } from "../requests.js";
import { startClockSync, serverNow } from "../server-clock.js";
import { isOffer, isRestricted, isUrgent, mine, offers, team, waiting, waitingCount } from "./state.js";

/** @import { Row } from "../../chat/frames.d.ts" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { ConsoleState } from "./types.d.ts" */
/** @import { Store } from "./store.js" */

const WAITING_SHOWN = 100;
/** Waiting times in seconds. At each of them, the coloured bar of a row changes to a warmer colour. */
const HEAT_LIMITS = [30, 90, 180, 300];

export class ConversationLists {
  #store;
  #strings;
  #departments;
  /** @type {HTMLTemplateElement} */
  #template = /** @type {HTMLTemplateElement} */ (byId("row-template"));
  /** @type {Map<string, {element: HTMLElement, row: Row | null}>} */
  #elements = new Map();

  /** @param {Store} store @param {UiStrings} strings @param {Record<string, string>} departments */
  constructor(store, strings, departments) {
    this.#store = store;
    this.#strings = strings;
    this.#departments = departments;
    store.subscribe(() => this.draw());
    startClockSync();
    setInterval(() => this.#tick(), 1000);
  }

  draw() {
    const links = this.#links();
    const focused = links.find((link) => link === document.activeElement);
    this.#draw();
    if (!focused || document.activeElement === focused) return;
    // Moving a row removes the focus from it, so restore the focus. If the focused row is gone, focus the row that has
    // taken its position.
    const rest = this.#links();
    const next = focused.isConnected ? focused : rest[Math.min(links.indexOf(focused), rest.length - 1)];
    (next ?? find(document, ".lists-body")).focus({ preventScroll: true });
  }

  /** @returns {HTMLElement[]} */
  #links() {
    return [...document.querySelectorAll("#lists .row-link")].filter((link) => link instanceof HTMLElement);
  }

  #draw() {
    const { state } = this.#store;
    this.#drawList("mine", mine(state));
    this.#drawList("waiting", this.#queue());
    if (state.me.sees_all) this.#drawList("team", team(state));
    const count = waitingCount(state) - offers(state).length;
    this.#drawCount("waiting", count);
    const more = byId("waiting-more");
    more.hidden = count <= WAITING_SHOWN;
    more.textContent = fill(this.#strings.more_waiting, { count: count - WAITING_SHOWN });
    const shown = new Set(Object.keys(state.rows).filter((id) => !isOffer(state, state.rows[id])));
    for (const [id, { element }] of this.#elements) {
      if (shown.has(id)) continue;
      element.remove();
      this.#elements.delete(id);
    }
  }

  /**
   * The ids of the agent's own conversations, in the order on the screen. For a supervisor, the ids of the queue and of
   * the team follow.
   */
  order() {
    const { state } = this.#store;
    const others = state.me.sees_all ? [...this.#queue(), ...team(state)] : [];
    return [...offers(state), ...mine(state), ...others].map((row) => row.id);
  }

  /** Returns the rows of the waiting list. Offers to this agent have a list of their own. */
  #queue() {
    const { state } = this.#store;
    const others = waiting(state).filter((row) => !isOffer(state, row));
    return others.slice(0, WAITING_SHOWN);
  }

  /** @param {string} name @param {Row[]} rows */
  #drawList(name, rows) {
    const list = byId(name);
    let cursor = list.firstElementChild;
    for (const row of rows) {
      const element = this.#element(row);
      if (element === cursor) cursor = cursor.nextElementSibling;
      else list.insertBefore(element, cursor);
    }
    while (cursor) {
      const next = cursor.nextElementSibling;
      cursor.remove();
      cursor = next;
    }
    find(/** @type {HTMLElement} */ (list.parentElement), ".empty").hidden = rows.length > 0;
    this.#drawCount(name, rows.length);
  }

  /** @param {string} name @param {number} count */
  #drawCount(name, count) {
    const element = document.getElementById(`${name}-count`);
    if (element) setText(element, String(count));
  }

  /** @param {Row} row */
  #element(row) {
    let entry = this.#elements.get(row.id);
    if (!entry) {
      const element = /** @type {HTMLElement} */ (this.#template.content.firstElementChild?.cloneNode(true));
      element.id = `row-${row.id}`;
      element.dataset.id = row.id;
      entry = { element, row: null };
      this.#elements.set(row.id, entry);
    }
    if (entry.row !== row) this.#drawRow(entry.element, row);
    entry.row = row;
    const isCurrent = row.id === this.#store.current;
    const link = find(entry.element, ".row-link");
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    this.#drawTime(entry.element, row);
    return entry.element;
  }

  /** @param {HTMLElement} element @param {Row} row */
  #drawRow(element, row) {
    const strings = this.#strings;
    const link = /** @type {HTMLAnchorElement} */ (find(element, ".row-link"));
    link.href = `${BASE}conversations/${row.id}/`;
    element.dataset.level = row.level;
    element.dataset.status = row.status;
    setText(find(element, ".level-text"), strings[row.level]);
    setText(find(element, ".name"), nameOf(row, strings));
    setText(find(element, ".row-language"), row.language === "zh" ? "中" : "EN");
    const isMine = row.agent?.id === this.#store.state.me.id;
    const owner = row.status === "waiting" ? this.#departments[row.department] : isMine ? "" : isolated(row.agent?.name ?? "");
    const restriction = isRestricted(this.#store.state, row) ? strings.barred : "";
    const preview = row.excerpt || row.subject || "…";
    const offer = offeredWords(this.#store.state, row, strings);
    setText(find(element, ".excerpt"), [restriction, offer, owner, preview].filter(Boolean).join(" · "));
    drawEmergency(find(element, ".emergency"), row, strings);
    const unread = find(element, ".unread");
    const count = isMine && row.unread ? row.unread : 0;
    setText(unread, count ? String(Math.min(count, 99)) : "");
    unread.title = count ? fill(strings.unread, { count }) : "";
    element.classList.toggle("has-unread", count > 0);
  }

  /** @param {HTMLElement} element @param {Row} row */
  #drawTime(element, row) {
    const seconds = secondsWaiting(row);
    const heat = seconds === null ? "" : String(HEAT_LIMITS.filter((limit) => seconds >= limit).length);
    if (element.dataset.heat !== heat) element.dataset.heat = heat;
    const time = find(element, ".wait");
    const text = row.status === "wrap_up" ? this.#strings.wrap_up : seconds === null ? "" : formatDuration(seconds, this.#strings);
    setText(time, text);
    setText(find(element, ".away"), awayText(row, this.#strings));
  }

  #tick() {
    if (document.hidden) return;
    for (const { element, row } of this.#elements.values()) if (row) this.#drawTime(element, row);
  }
}

/**
 * Returns for how many seconds the visitor has been waiting, or null if the visitor is not waiting.
 *
 * @param {Row} row
 */
export function secondsWaiting(row) {
  const since = row.status === "waiting" ? row.waiting_since : row.status === "active" ? row.unanswered_since : null;
  return since ? Math.max(0, Math.floor((serverNow() - Date.parse(since)) / 1000)) : null;
}

/** Returns for how long the visitor of an open conversation has been away, or "". @param {Row} row @param {UiStrings} strings */
export function awayText({ status, visitor_away_since }, strings) {
  if (!visitor_away_since || !["waiting", "active"].includes(status)) return "";
  const seconds = Math.max(0, Math.floor((serverNow() - Date.parse(visitor_away_since)) / 1000));
  return fill(strings.left, { time: formatDuration(seconds, strings) });
}

/** Shows whether a conversation is an emergency: an icon with a word. @param {HTMLElement} element @param {Row} row @param {UiStrings} strings */
export function drawEmergency(element, row, strings) {
  element.hidden = !isUrgent(row);
  if (element.hidden) return;
  element.title = strings[`emergency_${row.emergency}`];
  setText(find(element, ".emergency-text"), strings.emergency);
}

/** Returns what raised an emergency, with bidi isolation: a word, or that an agent did. @param {Row} row @param {UiStrings} strings */
export function emergencyReason({ emergency_reason: reason = "" }, strings) {
  return strings[`emergency_reason_${reason}`] ?? isolated(reason);
}

/**
 * Returns to whom a waiting conversation is offered, such as "offered to Mei Lin", or "" if to nobody. The name is known
 * only if that colleague has a conversation in the lists.
 *
 * @param {ConsoleState} state
 * @param {Row} row
 * @param {UiStrings} strings
 */
export function offeredWords({ rows }, row, strings) {
  if (row.status !== "waiting" || !row.offered_to) return "";
  const known = Object.values(rows).find((other) => other.agent?.id === row.offered_to)?.agent;
  return known ? fill(strings.offered_to, { name: isolated(known.name) }) : strings.offered;
}

/** Returns the name with bidi isolation, for use in a sentence or title. @param {Row} row @param {UiStrings} strings */
export function isolatedName(row, strings) {
  return isolated(nameOf(row, strings));
}

/** @param {Row} row @param {UiStrings} strings */
export function nameOf(row, strings) {
  return row.visitor_name || fill(strings.nameless, { id: row.id.slice(0, 4) });
}

/** @param {number} seconds @param {UiStrings} strings */
function formatDuration(seconds, strings) {
  if (seconds < 60) return fill(strings.seconds, { count: seconds });
  if (seconds < 3600) return fill(strings.minutes, { count: Math.floor(seconds / 60) });
  return fill(strings.hours, { count: Math.floor(seconds / 3600), minutes: Math.floor((seconds % 3600) / 60) });
}
