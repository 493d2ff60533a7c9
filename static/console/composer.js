/** The composer: a draft for each conversation, Enter, replies kept ready, buttons, and placeholders that stay empty. */

import { fill } from "../chat/words.js";
import { Drafts } from "./drafts.js";
import { ReplyList } from "./reply-list.js";
import { filled, placesIn } from "./replies.js";

const MAX_CHARACTERS = 2000;
/** What the server takes away too: so what is shown here is what is stored, to the letter. */
const EDGES = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g;

export class Composer {
  #store;
  #words;
  #live;
  #onSend;
  #drafts;
  #replies;
  #conversation = "";
  #body = /** @type {HTMLTextAreaElement} */ (document.getElementById("body"));
  #form = /** @type {HTMLFormElement} */ (document.getElementById("composer"));
  #mirror = byId("mirror");
  #editor = byId("choices-editor");
  #inputs = /** @type {HTMLInputElement[]} */ ([...this.#editor.querySelectorAll("input")]);
  /** The text whose unknown braces were pointed out: sent again, it goes. */
  #warned = "";
  /** What the words were made from: `source` of a knowledge point. */
  #source = "";
  /** Before an answer was put in: Escape brings it back. @type {{body: string, source: string, digit: string} | null} */
  #before = null;
  /** @type {(number: number) => boolean} */
  #takePoint = () => false;

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, live: import("./live.js").Live,
   *          onSend: (id: string, draft: ConsoleDraft) => void}} options
   */
  constructor(store, { words, live, onSend }) {
    this.#store = store;
    this.#words = words;
    this.#live = live;
    this.#onSend = onSend;
    this.#drafts = new Drafts(store.state.me.id);
    this.#replies = new ReplyList(store, words, (text, source) => this.put(text, source));
    store.subscribe(() => this.#follow());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("input", () => this.#changed());
    this.#body.addEventListener("scroll", () => (this.#mirror.scrollTop = this.#body.scrollTop));
    for (const input of this.#inputs) input.addEventListener("input", () => this.#keep());
    byId("choices-close").onclick = () => this.#showChoices([]);
  }

  focus() {
    if (!this.#form.hidden) this.#body.focus();
  }

  /** Puts words in the place of what is written. @param {string} text @param {string} [source] what they were made from */
  put(text, source = "") {
    this.#body.value = text;
    this.#source = source;
    this.#changed();
    this.focus();
    this.#pointOut();
  }

  /** What a number key in an empty message does. @param {(number: number) => boolean} take says whether there was one */
  onNumber(take) {
    this.#takePoint = take;
  }

  /**
   * Puts an answer in: in place of nothing, or where the caret is. It can be changed, and Escape takes it out again.
   *
   * @param {{text: string, source: string}} point
   */
  putPoint({ text, source }) {
    if (this.#form.hidden) return;
    const before = { body: this.#body.value, source: this.#source, digit: "" };
    const value = filled(text, this.#store.thread?.values ?? {});
    if (before.body.trim()) this.#body.setRangeText(value, this.#body.selectionStart, this.#body.selectionEnd, "end");
    else this.#body.value = value;
    this.#source = source;
    this.#changed();
    this.#before = before;
    this.focus();
    this.#say(this.#words.taken_back);
  }

  /** Puts words where the caret is. @param {string} text */
  insert(text) {
    this.#body.setRangeText(text, this.#body.selectionStart, this.#body.selectionEnd, "end");
    this.#changed();
    this.focus();
  }

  /** Back from the outbox: before what is being written. @param {string} text */
  takeBack(text) {
    this.put(this.#body.value ? `${text}\n${this.#body.value}` : text);
  }

  openReplies() {
    if (!this.#body.value) this.#body.value = "/";
    this.focus();
    this.#changed();
  }

  toggleChoices() {
    if (!this.#editor.hidden) return this.#showChoices([]);
    this.#editor.hidden = false;
    this.#inputs[0].focus();
  }

  send() {
    const body = this.#body.value.replace(/\p{Cs}/gu, "\ufffd").replaceAll("\0", "").replace(EDGES, "");
    const choices = this.#choices();
    if (!body || this.#form.hidden || this.#isStopped(body, choices)) return;
    this.#onSend(this.#conversation, { body, choices, source: this.#source });
    this.#body.value = "";
    this.#warned = "";
    this.#showChoices([]);
    this.#changed();
    this.focus();
  }

  /** Whether it must not go out like this; then it says why. @param {string} body @param {string[]} choices */
  #isStopped(body, choices) {
    if (!this.#editor.hidden && choices.length && (choices.length < 2 || new Set(choices).size < choices.length)) {
      this.#say(this.#words.too_few_choices);
      return true;
    }
    if (body.length > MAX_CHARACTERS) return true;
    const places = placesIn([body, ...choices].join("\n"));
    if (!places.length || (places.every((place) => !place.isKnown) && this.#warned === body)) return false;
    this.#warned = body;
    this.#pointOut();
    return true;
  }

  /** Selects the first placeholder that nothing is known for. */
  #pointOut() {
    const places = placesIn(this.#body.value);
    const first = places.find((place) => place.isKnown) ?? places[0];
    if (!first) return;
    this.#body.setSelectionRange(first.start, first.end);
    const names = places.map((place) => place.text).join(" ");
    this.#say(fill(first.isKnown ? this.#words.unfilled : this.#words.unknown, { names }));
  }

  /** @param {string} words */
  #say(words) {
    const line = byId("unfilled");
    line.hidden = !words;
    line.textContent = words;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter and the arrows are its own (229: what Safari says after it has ended).
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#replies.key(event) || this.#pointKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      this.send();
    }
  }

  /** A number in an empty message is a likely answer; Escape takes it out again. @param {KeyboardEvent} event */
  #pointKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.key === "Escape" && this.#before) {
      const { body, source, digit } = this.#before;
      this.#body.value = body || digit;
      this.#source = source;
      this.#changed();
    } else if (!/^[1-3]$/.test(event.key) || this.#body.value || !this.#takePoint(Number(event.key))) return false;
    else if (this.#before) this.#before.digit = event.key;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #changed() {
    this.#before = null;
    if (!this.#body.value.trim()) this.#source = "";
    this.#keep();
    this.#draw();
    this.#replies.show(this.#body.value);
    if (this.#body.value && !this.#body.value.startsWith("/")) this.#live.typing(this.#conversation);
  }

  #keep() {
    if (!this.#conversation) return;
    const choices = this.#editor.hidden ? [] : this.#inputs.map((input) => input.value);
    this.#drafts.keep(this.#conversation, { body: this.#body.value, choices, source: this.#source });
  }

  /** Another conversation is before the agent: its own draft, and nothing of the former. */
  #follow() {
    if (this.#store.current === this.#conversation) return;
    this.#conversation = this.#store.current;
    const draft = this.#drafts.of(this.#conversation);
    this.#body.value = draft.body;
    this.#source = draft.source;
    this.#before = null;
    this.#warned = "";
    this.#showChoices(draft.choices);
    this.#draw();
    this.#replies.hide();
  }

  /** @param {string[]} choices */
  #showChoices(choices) {
    this.#editor.hidden = !choices.some(Boolean);
    this.#inputs.forEach((input, index) => (input.value = choices[index] ?? ""));
    if (this.#conversation === this.#store.current) this.#keep();
  }

  #choices() {
    if (this.#editor.hidden) return [];
    return this.#inputs.map((input) => input.value.replace(/\s+/g, " ").trim()).filter(Boolean);
  }

  /** The layer behind the text marks what stands in braces; the text area cannot. */
  #draw() {
    const text = this.#body.value;
    const places = placesIn(text);
    const pieces = [];
    let from = 0;
    for (const place of places) {
      const mark = document.createElement("mark");
      mark.textContent = place.text;
      pieces.push(text.slice(from, place.start), mark);
      from = place.end;
    }
    this.#mirror.replaceChildren(...pieces, `${text.slice(from)}\n`);
    const over = text.trim().length - MAX_CHARACTERS;
    this.#say(over > 0 ? fill(this.#words.too_long, { count: over }) : "");
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
