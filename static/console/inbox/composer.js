/** The composer: a draft for each conversation, Enter, canned replies, and placeholders that must be filled. */

import { lengthOf } from "../../chat/character-count.js";
import { fill } from "../../chat/ui-strings.js";
import { ChoicesEditor } from "./reply-buttons.js";
import { ClosedDraft } from "./closed-draft.js";
import { Drafts } from "./drafts.js";
import { isReplyCall } from "./keymap.js";
import { Mirror } from "./placeholder-highlight.js";
import { filled, placesIn } from "./canned-replies.js";
import { ReplyList } from "./canned-reply-list.js";
import { mayAnswer } from "./state.js";

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
  #mirror = new Mirror(this.#body);
  #choices = new ChoicesEditor(() => this.#keep());
  #closed;
  /** The text whose unknown braces were pointed out: sent again, it goes. */
  #warned = "";
  /** What the words were made from: `source` of a knowledge point. */
  #source = "";
  /** Before an answer was put in: Escape brings it back. @type {{body: string, source: string} | null} */
  #before = null;

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, live: import("./live-connection.js").Live,
   *          onSend: (id: string, draft: ConsoleDraft) => void}} options
   */
  constructor(store, { words, live, onSend }) {
    this.#store = store;
    this.#words = words;
    this.#live = live;
    this.#onSend = onSend;
    this.#drafts = new Drafts(store.state.me.id);
    this.#replies = new ReplyList(store, words, (text, source) => this.put(text, source));
    this.#closed = new ClosedDraft(words, { onDiscard: () => this.#discard(), onEnd: () => this.#stand() });
    store.subscribe(() => this.#follow());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("input", () => this.#changed());
  }

  get isOpen() {
    return mayAnswer(this.#store.state, this.#store.row);
  }

  focus() {
    if (this.isOpen) this.#body.focus();
  }

  /** Puts words in the place of what is written. @param {string} text @param {string} [source] what they were made from */
  put(text, source = "") {
    this.#body.value = text;
    this.#source = source;
    this.#changed();
    this.focus();
    this.#pointOut();
  }

  /**
   * Puts an answer in: in place of nothing, or where the caret is. It can be changed, and Escape takes it out again.
   * Pressed twice, it is put in once.
   *
   * @param {{text: string, source: string}} point
   */
  putPoint({ text, source }) {
    if (!this.isOpen || (this.#before && this.#source === source)) return;
    const before = { body: this.#body.value, source: this.#source };
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
    if (!this.isOpen) return;
    this.#body.setRangeText(text, this.#body.selectionStart, this.#body.selectionEnd, "end");
    this.#changed();
    this.focus();
  }

  /** Back from the outbox: before what is being written. @param {string} text */
  takeBack(text) {
    this.put(this.#body.value ? `${text}\n${this.#body.value}` : text);
    this.#stand();
  }

  openReplies() {
    if (!this.isOpen) return;
    if (!this.#body.value) this.#body.value = "/";
    this.focus();
    this.#changed();
  }

  toggleChoices() {
    this.#choices.toggle();
    this.#keep();
  }

  send() {
    const body = this.#body.value.replace(/\p{Cs}/gu, "\ufffd").replaceAll("\0", "").replace(EDGES, "");
    if (!body || !this.isOpen || this.#isStopped(body)) return;
    this.#onSend(this.#conversation, { body, choices: this.#choices.choices, source: this.#source });
    this.#body.value = "";
    this.#warned = "";
    this.#choices.show([]);
    this.#changed();
    this.focus();
  }

  /** Whether it must not go out like this; then it says why. @param {string} body */
  #isStopped(body) {
    if (this.#choices.areUnfit) {
      this.#say(this.#words.too_few_choices);
      return true;
    }
    if (lengthOf(body) > MAX_CHARACTERS) return true;
    const places = placesIn([body, ...this.#choices.choices].join("\n"));
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
    if (this.#replies.key(event) || this.#takeOut(event)) return;
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    // A held Enter that has chosen a reply or an answer does not send it.
    if (!event.repeat) this.send();
  }

  /** Escape takes an answer out again. @param {KeyboardEvent} event */
  #takeOut(event) {
    if (event.key !== "Escape" || !this.#before) return false;
    this.#body.value = this.#before.body;
    this.#source = this.#before.source;
    this.#changed();
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #changed() {
    this.#before = null;
    if (!this.#body.value.trim()) this.#source = "";
    this.#keep();
    this.#draw();
    this.#replies.show(this.#body.value, this.#closed.isComposing);
    if (this.#body.value && !isReplyCall(this.#body.value)) this.#live.typing(this.#conversation);
  }

  #keep() {
    if (!this.#conversation) return;
    const draft = { body: this.#body.value, choices: this.#choices.draft, source: this.#source };
    this.#drafts.keep(this.#conversation, draft);
  }

  /** Another conversation is before the agent: its own draft, and nothing of the former. */
  #follow() {
    if (this.#store.current !== this.#conversation) {
      this.#conversation = this.#store.current;
      const draft = this.#drafts.of(this.#conversation);
      this.#body.value = draft.body;
      this.#source = draft.source;
      this.#before = null;
      this.#warned = "";
      this.#choices.show(draft.choices);
      this.#draw();
      this.#replies.hide();
    }
    this.#stand();
  }

  #stand() {
    this.#closed.show(this.isOpen);
    this.#choices.lock(!this.isOpen);
    if (!this.isOpen) this.#replies.hide();
  }

  #discard() {
    this.#body.value = "";
    this.#choices.show([]);
    this.#changed();
    this.#stand();
  }

  #draw() {
    const text = this.#body.value;
    this.#mirror.draw(text);
    const over = lengthOf(text.replace(EDGES, "")) - MAX_CHARACTERS;
    this.#say(over > 0 ? fill(this.#words.too_long, { count: over }) : "");
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
