/** Knowledge beside the conversation: the likeliest answers to what the customer has just asked, and a search. A number
 * key or Enter puts an answer into the message; nothing is ever sent by itself. The number keys act with Alt, or while
 * the focus is on the list: a digit alone may begin a message. */

import { make } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { post } from "../requests.js";
import { mayAnswer } from "./state.js";

const TYPED_MS = 90;
const AGAIN_MS = 5000;
/** The first answers have a number key. */
const KEYS = 3;
const NARROW = "(max-width: 1099px)";

export class Points {
  #store;
  #words;
  #onChosen;
  #place = byId("points");
  #input = /** @type {HTMLInputElement} */ (document.getElementById("points-q"));
  #list = byId("points-list");
  /** @type {ConsolePoint[]} */
  #shown = [];
  #chosen = -1;
  /** What the shown ones answer: conversation and seq, or what was typed. */
  #asked = "";
  #edition = 0;
  #timer = 0;

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, onChosen: (point: ConsolePoint) => void}} options
   */
  constructor(store, { words, onChosen }) {
    this.#store = store;
    this.#words = words;
    this.#onChosen = onChosen;
    store.subscribe(() => this.#follow());
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    const narrow = matchMedia(NARROW);
    narrow.addEventListener("change", () => this.#stand(narrow.matches));
    this.#stand(narrow.matches);
  }

  focus() {
    if (this.#place.hidden) return;
    this.#input.focus();
    this.#input.select();
  }

  /** The number key of a likely answer. @param {number} number from 1 @returns {boolean} whether there is one */
  take(number) {
    const point = this.#place.hidden ? undefined : this.#shown[number - 1];
    if (point) this.#onChosen(point);
    return Boolean(point);
  }

  /** On a narrow screen the column beside the conversation is folded: the answers stand over the message then. @param {boolean} isNarrow */
  #stand(isNarrow) {
    const focused = this.#place.contains(document.activeElement) ? document.activeElement : null;
    if (isNarrow) byId("composer").before(this.#place);
    else byId("card").prepend(this.#place);
    // An element that is moved loses the focus.
    if (focused instanceof HTMLElement) focused.focus();
  }

  /** Another conversation, another question, or another edition of the library: what is likely is asked for anew. */
  #follow() {
    const { row, thread, current, state } = this.#store;
    this.#place.hidden = !current || !mayAnswer(state, row);
    if (this.#place.hidden) {
      this.#asked = "";
      return;
    }
    const said = thread?.messages.findLast((message) => message.role === "visitor" && message.type === "text");
    const asked = `${current} ${said?.seq ?? 0}`;
    const isOld = this.#edition < state.edition;
    if (asked.split(" ")[0] !== this.#asked.split(" ")[0]) this.#input.value = "";
    if (this.#input.value ? !isOld : asked === this.#asked && !isOld) return;
    this.#edition = Math.max(this.#edition, state.edition);
    if (this.#input.value) {
      this.#typed();
      return;
    }
    if (asked.split(" ")[0] !== this.#asked.split(" ")[0]) this.#draw([], "");
    this.#asked = asked;
    if (said) void this.#ask("points/likely", { conversation: current }, () => this.#asked === asked && !this.#input.value);
  }

  #typed() {
    clearTimeout(this.#timer);
    const q = this.#input.value.trim();
    if (!q) {
      this.#asked = "";
      this.#follow();
      return;
    }
    const conversation = this.#store.current;
    const isWanted = () => this.#input.value.trim() === q && this.#store.current === conversation;
    this.#timer = setTimeout(() => void this.#ask("points/find", { q, conversation }, isWanted), TYPED_MS);
  }

  /** @param {string} path @param {object} data @param {() => boolean} isWanted */
  async #ask(path, data, isWanted) {
    const answer = await post(path, data);
    if (!isWanted()) return;
    if (!answer.ok) {
      this.#draw([], answer.refused?.words ?? this.#words.offline_write);
      if (!answer.refused) setTimeout(() => isWanted() && this.#ask(path, data, isWanted), AGAIN_MS);
      return;
    }
    const { points, places = [], edition } = answer.data;
    this.#edition = Math.max(this.#edition, edition);
    const isTyped = path === "points/find";
    this.#draw([...points, ...places], points.length || places.length ? "" : isTyped ? this.#words.no_point : this.#words.no_likely);
    if (isTyped) this.#point(0);
  }

  /** @param {ConsolePoint[]} points @param {string} none what to say in their place */
  #draw(points, none) {
    this.#shown = points;
    this.#chosen = -1;
    byId("points-none").textContent = none;
    this.#list.replaceChildren(...points.map((point, index) => this.#element(point, index)));
    this.#setActive("");
    byId("points-title").hidden = !points.length || Boolean(this.#input.value);
  }

  /** @param {ConsolePoint} point @param {number} index */
  #element(point, index) {
    const key = make("kbd", "", `Alt+${index + 1}`);
    const top = make("span", "point-top", make("b", "", point.title));
    if (index < KEYS) top.prepend(key);
    const element = make("li", "point", top, make("span", "point-passage", point.passage));
    element.id = `point-${index}`;
    element.role = "option";
    element.ariaSelected = "false";
    element.onclick = (event) => {
      if (/** @type {HTMLElement} */ (event.target).closest("button, a")) return;
      if (this.#chosen === index) this.#onChosen(point);
      else this.#point(index);
    };
    return element;
  }

  /** Opens one: the whole answer, the note for staff, and what can be done with it. @param {number} index */
  #point(index) {
    this.#chosen = index;
    [...this.#list.children].forEach((element, each) => {
      element.ariaSelected = String(each === index);
      element.querySelector(".point-whole")?.remove();
    });
    const element = /** @type {HTMLElement | undefined} */ (this.#list.children[index]);
    const point = this.#shown[index];
    if (!element || !point) return this.#setActive("");
    element.append(this.#whole(point));
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

  /** @param {ConsolePoint} point */
  #whole(point) {
    const words = this.#words;
    const whole = make("div", "point-whole", make("p", "point-text", point.text));
    if (point.note) whole.append(make("p", "point-note", make("b", "", words.staff_only), " ", point.note));
    const about = [point.category, point.valid_until && fill(words.valid_until, { day: point.valid_until })].filter(Boolean);
    if (about.length) whole.append(make("p", "quiet", about.join(" · ")));
    const tools = make("p", "point-tools", this.#button(words.insert, "primary", () => this.#onChosen(point)));
    if (point.key) {
      tools.append(
        this.#button(words.helped, "", (button) => void this.#judge(point, true, button)),
        this.#button(words.not_helped, "", (button) => void this.#judge(point, false, button)),
      );
      const link = make("a", "", words.open_point);
      link.href = `/console/points/${point.key}/`;
      link.target = "_blank";
      tools.append(link);
    }
    whole.append(tools);
    return whole;
  }

  /** @param {string} words @param {string} look @param {(button: HTMLButtonElement) => void} then */
  #button(words, look, then) {
    const button = make("button", `button small ${look}`, words);
    button.type = "button";
    button.onclick = () => then(button);
    return button;
  }

  /** @param {ConsolePoint} point @param {boolean} is_helpful @param {HTMLButtonElement} button */
  async #judge(point, is_helpful, button) {
    const tools = /** @type {HTMLElement} */ (button.parentElement);
    const verdicts = /** @type {HTMLButtonElement[]} */ ([...tools.querySelectorAll("button:not(.primary)")]);
    for (const verdict of verdicts) verdict.disabled = true;
    const answer = await post("points/judge", { source: point.source, conversation: this.#store.current, is_helpful });
    for (const verdict of verdicts) verdict.disabled = false;
    if (!answer.ok) return;
    for (const verdict of verdicts) verdict.remove();
    tools.append(make("span", "quiet", this.#words.noted));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    // The buttons of an open answer have their own Enter.
    if (event.target !== event.currentTarget) return;
    const count = this.#shown.length;
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#point((this.#chosen + step + count) % count);
    } else if (event.key === "Enter" && this.#shown[this.#chosen]) {
      if (!event.repeat) this.#onChosen(this.#shown[this.#chosen]);
    } else if (event.key === "Escape" && this.#input.value) {
      this.#input.value = "";
      this.#typed();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
