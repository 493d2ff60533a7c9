/** Knowledge beside the thread: suggested answers to the visitor's last question, and a search. A number key or Enter
 * inserts an answer into the draft; nothing is ever sent automatically. Number keys work with Alt, or while the focus is
 * in the list: a digit alone may begin a message. */

import { byId, isForInputMethod, make, makeButton } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { post } from "../requests.js";
import { mayAnswer } from "./state.js";

/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Store } from "./store.js" */

/**
 * A knowledge point or a branch, as console/inbox/suggestion_views.py returns it.
 *
 * @typedef {object} Suggestion
 * @property {number} id
 * @property {string} source
 * @property {string} title
 * @property {string} passage
 * @property {string} text that is inserted into the message
 * @property {string} note for staff only
 * @property {string} [key] knowledge points only, like the fields below
 * @property {string} [category]
 * @property {string} [valid_until]
 */

const TYPING_DELAY_MS = 90;
const RETRY_MS = 5000;
/** Number of suggestions that have a number key. */
const NUMBER_KEYS = 3;
const NARROW = "(max-width: 1099px)";

export class Suggestions {
  #store;
  #strings;
  #onChosen;
  #panel = byId("points");
  #input = /** @type {HTMLInputElement} */ (byId("points-q"));
  #list = byId("points-list");
  /** @type {Suggestion[]} */
  #shown = [];
  #chosen = -1;
  /** Conversation and seq of the question to which the suggestions belong; "" for none. */
  #query = "";
  #edition = 0;
  #timer = 0;

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, onChosen: (point: Suggestion) => void}} options
   */
  constructor(store, { strings, onChosen }) {
    this.#store = store;
    this.#strings = strings;
    this.#onChosen = onChosen;
    store.subscribe(() => this.#refresh());
    this.#input.addEventListener("input", () => this.#search());
    this.#input.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#list.addEventListener("keydown", (event) => this.#handleKey(event));
    const narrow = matchMedia(NARROW);
    narrow.addEventListener("change", () => this.#arrange(narrow.matches));
    this.#arrange(narrow.matches);
  }

  focus() {
    if (this.#panel.hidden) return;
    this.#input.focus();
    this.#input.select();
  }

  /** Inserts a suggestion. @param {number} number its number key, from 1 @returns {boolean} whether it exists */
  take(number) {
    const point = this.#panel.hidden ? undefined : this.#shown[number - 1];
    if (point) this.#onChosen(point);
    return Boolean(point);
  }

  /** Moves the panel above the composer on a narrow screen, where the side column is hidden. @param {boolean} isNarrow */
  #arrange(isNarrow) {
    const focused = this.#panel.contains(document.activeElement) ? document.activeElement : null;
    if (isNarrow) byId("composer").before(this.#panel);
    else byId("card").prepend(this.#panel);
    // Moving an element removes the focus from it.
    if (focused instanceof HTMLElement) focused.focus();
  }

  /**
   * Requests suggestions again if the conversation, the question or the edition of the published knowledge has changed.
   */
  #refresh() {
    const { row, thread, current, state } = this.#store;
    this.#panel.hidden = !current || !mayAnswer(state, row);
    if (this.#panel.hidden) {
      this.#query = "";
      return;
    }
    const question = thread?.messages.findLast((message) => message.role === "visitor" && message.type === "text");
    const query = `${current} ${question?.seq ?? 0}`;
    const isOutdated = this.#edition < state.edition;
    if (query.split(" ")[0] !== this.#query.split(" ")[0]) this.#input.value = "";
    if (this.#input.value ? !isOutdated : query === this.#query && !isOutdated) return;
    this.#edition = Math.max(this.#edition, state.edition);
    if (this.#input.value) {
      this.#search();
      return;
    }
    if (query.split(" ")[0] !== this.#query.split(" ")[0]) this.#draw([], "");
    this.#query = query;
    if (question) void this.#request("points/likely", { conversation: current }, () => this.#query === query && !this.#input.value);
  }

  #search() {
    clearTimeout(this.#timer);
    const q = this.#input.value.trim();
    if (!q) {
      this.#query = "";
      this.#refresh();
      return;
    }
    const conversation = this.#store.current;
    const isWanted = () => this.#input.value.trim() === q && this.#store.current === conversation;
    this.#timer = setTimeout(() => void this.#request("points/find", { q, conversation }, isWanted), TYPING_DELAY_MS);
  }

  /** @param {string} path @param {object} data @param {() => boolean} isWanted */
  async #request(path, data, isWanted) {
    /** @type {ConsoleAnswer<{points: Suggestion[], places?: Suggestion[], edition: number}>} */
    const answer = await post(path, { ...data, edition: this.#store.state.edition });
    if (!isWanted()) return;
    if (!answer.ok) {
      this.#draw([], answer.refused?.words ?? this.#strings.offline_write);
      if (!answer.refused) setTimeout(() => isWanted() && this.#request(path, data, isWanted), RETRY_MS);
      return;
    }
    const { points, places = [], edition } = answer.data;
    this.#edition = Math.max(this.#edition, edition);
    const isSearch = path === "points/find";
    this.#draw([...points, ...places], points.length || places.length ? "" : isSearch ? this.#strings.no_point : this.#strings.no_likely);
    if (isSearch) this.#expand(0);
  }

  /** @param {Suggestion[]} points @param {string} emptyText shown if there are none */
  #draw(points, emptyText) {
    this.#shown = points;
    this.#chosen = -1;
    byId("points-none").textContent = emptyText;
    this.#list.replaceChildren(...points.map((point, index) => this.#element(point, index)));
    this.#setActive("");
    byId("points-title").hidden = !points.length || Boolean(this.#input.value);
  }

  /** @param {Suggestion} point @param {number} index */
  #element(point, index) {
    const key = make("kbd", "", `Alt+${index + 1}`);
    const top = make("span", "point-top", make("b", "", point.title));
    if (index < NUMBER_KEYS) top.prepend(key);
    const element = make("li", "point", top, make("span", "point-passage", point.passage));
    element.id = `point-${index}`;
    element.role = "option";
    element.ariaSelected = "false";
    element.onclick = (event) => {
      if (/** @type {HTMLElement} */ (event.target).closest("button, a")) return;
      if (this.#chosen === index) this.#onChosen(point);
      else this.#expand(index);
    };
    return element;
  }

  /** Expands one suggestion: the whole answer, the note for staff, and its buttons. @param {number} index */
  #expand(index) {
    this.#chosen = index;
    [...this.#list.children].forEach((element, position) => {
      element.ariaSelected = String(position === index);
      element.querySelector(".point-whole")?.remove();
    });
    const element = /** @type {HTMLElement | undefined} */ (this.#list.children[index]);
    const point = this.#shown[index];
    if (!element || !point) return this.#setActive("");
    element.append(this.#details(point));
    element.scrollIntoView({ block: "nearest" });
    this.#setActive(element.id);
  }

  /** @param {string} id of the chosen option, "" for none */
  #setActive(id) {
    for (const element of [this.#input, this.#list]) {
      if (id) element.setAttribute("aria-activedescendant", id);
      else element.removeAttribute("aria-activedescendant");
    }
  }

  /** @param {Suggestion} point */
  #details(point) {
    const strings = this.#strings;
    const details = make("div", "point-whole", make("p", "point-text", point.text));
    if (point.note) details.append(make("p", "point-note", make("b", "", strings.staff_only), " ", point.note));
    const about = [point.category, point.valid_until && fill(strings.valid_until, { day: point.valid_until })].filter(Boolean);
    if (about.length) details.append(make("p", "quiet", about.join(" · ")));
    const tools = make("p", "point-tools", this.#button(strings.insert, "primary", () => this.#onChosen(point)));
    if (point.key) {
      tools.append(
        this.#button(strings.helped, "", (button) => void this.#sendFeedback(point, true, button)),
        this.#button(strings.not_helped, "", (button) => void this.#sendFeedback(point, false, button)),
      );
      const link = make("a", "", strings.open_point);
      link.href = `/console/points/${point.key}/`;
      link.target = "_blank";
      tools.append(link);
    }
    details.append(tools);
    return details;
  }

  /** @param {string} label @param {string} className @param {(button: HTMLButtonElement) => void} onClick */
  #button(label, className, onClick) {
    const button = makeButton(label, () => onClick(button), `button small ${className}`);
    return button;
  }

  /** @param {Suggestion} point @param {boolean} is_helpful @param {HTMLButtonElement} button */
  async #sendFeedback(point, is_helpful, button) {
    const tools = /** @type {HTMLElement} */ (button.parentElement);
    const feedbackButtons = /** @type {HTMLButtonElement[]} */ ([...tools.querySelectorAll("button:not(.primary)")]);
    for (const feedbackButton of feedbackButtons) feedbackButton.disabled = true;
    const answer = await post("points/judge", { source: point.source, conversation: this.#store.current, is_helpful });
    for (const feedbackButton of feedbackButtons) feedbackButton.disabled = false;
    if (!answer.ok) return;
    for (const feedbackButton of feedbackButtons) feedbackButton.remove();
    tools.append(make("span", "quiet", this.#strings.noted));
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (isForInputMethod(event)) return;
    // Enter on a button of the expanded suggestion belongs to that button.
    if (event.target !== event.currentTarget) return;
    const count = this.#shown.length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#expand((this.#chosen + step + count) % count);
    } else if (event.key === "Enter" && this.#shown[this.#chosen]) {
      if (!event.repeat) this.#onChosen(this.#shown[this.#chosen]);
    } else if (event.key === "Escape" && this.#input.value) {
      this.#input.value = "";
      this.#search();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
