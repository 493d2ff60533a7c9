/** The lists: my conversations, the line, the team. An element for each row is kept and only changed where it differs. */

import { isolated } from "../../chat/bidi.js";
import { fill } from "../../chat/ui-strings.js";
import { BASE } from "../requests.js";
import { keepClock, serverNow } from "../server-clock.js";
import { isBarred, mayTake, mine, team, waiting, waitingCount } from "./state.js";

const WAITING_SHOWN = 100;
/** Seconds without an answer from which the bar is warmer. */
const HEATS = [30, 90, 180, 300];

export class Lists {
  #store;
  #words;
  #departments;
  /** @type {HTMLTemplateElement} */
  #template = /** @type {any} */ (document.getElementById("row-template"));
  /** @type {Map<string, {element: HTMLElement, row: ConsoleRow | null}>} */
  #elements = new Map();

  /** @param {import("./store.js").Store} store @param {ChatWords} words @param {Record<string, string>} departments */
  constructor(store, words, departments) {
    this.#store = store;
    this.#words = words;
    this.#departments = departments;
    store.subscribe(() => this.draw());
    keepClock();
    setInterval(() => this.#tick(), 1000);
  }

  draw() {
    const links = this.#links();
    const focused = links.find((link) => link === document.activeElement);
    this.#draw();
    if (!focused || document.activeElement === focused) return;
    // A row that moved has lost the focus; one that is gone leaves it to the row in its place.
    const rest = this.#links();
    const next = focused.isConnected ? focused : rest[Math.min(links.indexOf(focused), rest.length - 1)];
    (next ?? /** @type {HTMLElement} */ (document.querySelector(".lists-body"))).focus({ preventScroll: true });
  }

  /** @returns {HTMLElement[]} */
  #links() {
    return [...document.querySelectorAll("#lists .row-link")].filter((link) => link instanceof HTMLElement);
  }

  #draw() {
    const { state } = this.#store;
    const line = waiting(state);
    this.#list("mine", mine(state));
    this.#list("waiting", line.slice(0, WAITING_SHOWN));
    if (state.me.sees_all) this.#list("team", team(state));
    const count = waitingCount(state);
    this.#count("waiting", count);
    /** @type {HTMLButtonElement} */ (document.getElementById("take-next")).disabled = !mayTake(state);
    const more = /** @type {HTMLElement} */ (document.getElementById("waiting-more"));
    more.hidden = count <= WAITING_SHOWN;
    more.textContent = fill(this.#words.more_waiting, { count: count - WAITING_SHOWN });
    const shown = new Set(Object.keys(state.rows));
    for (const [id, { element }] of this.#elements) {
      if (shown.has(id)) continue;
      element.remove();
      this.#elements.delete(id);
    }
  }

  /** The ids as they stand on the screen, from top to bottom. */
  order() {
    const { state } = this.#store;
    const line = state.me.sees_all ? [...waiting(state).slice(0, WAITING_SHOWN), ...team(state)] : [];
    return [...mine(state), ...line].map((row) => row.id);
  }

  /** @param {string} name @param {ConsoleRow[]} rows */
  #list(name, rows) {
    const list = /** @type {HTMLElement} */ (document.getElementById(name));
    let place = list.firstElementChild;
    for (const row of rows) {
      const element = this.#element(row);
      if (element === place) place = place.nextElementSibling;
      else list.insertBefore(element, place);
    }
    while (place) {
      const next = place.nextElementSibling;
      place.remove();
      place = next;
    }
    /** @type {HTMLElement} */ (list.parentElement?.querySelector(".empty")).hidden = rows.length > 0;
    this.#count(name, rows.length);
  }

  /** @param {string} name @param {number} count */
  #count(name, count) {
    const element = document.getElementById(`${name}-count`);
    if (element) say(element, String(count));
  }

  /** @param {ConsoleRow} row */
  #element(row) {
    let kept = this.#elements.get(row.id);
    if (!kept) {
      const element = /** @type {HTMLElement} */ (this.#template.content.firstElementChild?.cloneNode(true));
      element.id = `row-${row.id}`;
      element.dataset.id = row.id;
      kept = { element, row: null };
      this.#elements.set(row.id, kept);
    }
    if (kept.row !== row) this.#fill(kept.element, row);
    kept.row = row;
    const isCurrent = row.id === this.#store.current;
    const link = part(kept.element, ".row-link");
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    this.#time(kept.element, row);
    return kept.element;
  }

  /** @param {HTMLElement} element @param {ConsoleRow} row */
  #fill(element, row) {
    const words = this.#words;
    const link = /** @type {HTMLAnchorElement} */ (part(element, ".row-link"));
    link.href = `${BASE}conversations/${row.id}/`;
    element.dataset.level = row.level;
    element.dataset.status = row.status;
    say(part(element, ".level-words"), words[row.level]);
    say(part(element, ".name"), nameOf(row, words));
    say(part(element, ".mark"), row.language === "zh" ? "中" : "EN");
    const isMine = row.agent?.id === this.#store.state.me.id;
    const about = row.status === "waiting" ? this.#departments[row.department] : isMine ? "" : isolated(row.agent?.name ?? "");
    const barred = isBarred(this.#store.state, row) ? words.barred : "";
    const said = row.excerpt || row.subject || "…";
    say(part(element, ".excerpt"), [barred, about, said].filter(Boolean).join(" · "));
    const unread = part(element, ".unread");
    const count = isMine && row.unread ? row.unread : 0;
    say(unread, count ? String(Math.min(count, 99)) : "");
    unread.title = count ? fill(words.unread, { count }) : "";
    element.classList.toggle("has-unread", count > 0);
  }

  /** @param {HTMLElement} element @param {ConsoleRow} row */
  #time(element, row) {
    const seconds = secondsWaiting(row);
    const heat = seconds === null ? "" : String(HEATS.filter((limit) => seconds >= limit).length);
    if (element.dataset.heat !== heat) element.dataset.heat = heat;
    const time = part(element, ".wait");
    const words = row.status === "wrap_up" ? this.#words.wrap_up : seconds === null ? "" : spoken(seconds, this.#words);
    say(time, words);
  }

  #tick() {
    if (document.hidden) return;
    for (const { element, row } of this.#elements.values()) if (row) this.#time(element, row);
  }
}

/** How long the customer has been waiting, null when nobody waits. @param {ConsoleRow} row */
export function secondsWaiting(row) {
  const since = row.status === "waiting" ? row.waiting_since : row.status === "active" ? row.unanswered_since : null;
  return since ? Math.max(0, Math.floor((serverNow() - Date.parse(since)) / 1000)) : null;
}

/** The name as a part of a sentence or a title. @param {ConsoleRow} row @param {ChatWords} words */
export function spokenName(row, words) {
  return isolated(nameOf(row, words));
}

/** @param {ConsoleRow} row @param {ChatWords} words */
export function nameOf(row, words) {
  return row.visitor_name || fill(words.nameless, { id: row.id.slice(0, 4) });
}

/** @param {number} seconds @param {ChatWords} words */
function spoken(seconds, words) {
  if (seconds < 60) return fill(words.seconds, { count: seconds });
  if (seconds < 3600) return fill(words.minutes, { count: Math.floor(seconds / 60) });
  return fill(words.hours, { count: Math.floor(seconds / 3600), minutes: Math.floor((seconds % 3600) / 60) });
}

/** @param {HTMLElement} element @param {string} selector */
function part(element, selector) {
  return /** @type {HTMLElement} */ (element.querySelector(selector));
}

/** Only where it differs: fifty rows that stay as they are cost nothing. @param {HTMLElement} element @param {string} text */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
