/** The composer: one draft per conversation, Enter to send, canned replies, and placeholders that must be filled. */

import { lengthOf } from "../../chat/character-count.js";
import { byId, isForInputMethod } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { ChoicesEditor } from "./reply-buttons.js";
import { ClosedDraft } from "./closed-draft.js";
import { Drafts } from "./drafts.js";
import { isReplyCall } from "./inbox-shortcut-keys.js";
import { Mirror } from "./placeholder-highlight.js";
import { fillPlaceholders, placeholdersIn } from "./canned-replies.js";
import { CannedReplyList } from "./canned-reply-list.js";
import { isOffer, mayAnswer } from "./state.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Draft } from "./drafts.js" */
/** @import { LiveConnection } from "./live-connection.js" */
/** @import { Store } from "./store.js" */

const MAX_CHARACTERS = 2000;
/** White space that the server strips as well: the text shown here is exactly the text that is stored. */
const EDGES = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g;

export class Composer {
  #store;
  #strings;
  #live;
  #onSend;
  #onOffer;
  #drafts;
  #replies;
  #conversation = "";
  #body = /** @type {HTMLTextAreaElement} */ (byId("body"));
  #form = /** @type {HTMLFormElement} */ (byId("composer"));
  #highlight = new Mirror(this.#body);
  #choices = new ChoicesEditor(() => this.#saveDraft());
  #closed;
  /** The text that was blocked because of unknown placeholders. If the agent sends it a second time, it is not blocked. */
  #warnedText = "";
  /** The `source` of the knowledge point from which the text was made, or "". */
  #source = "";
  /** The draft as it was before a point was inserted. Escape restores it. @type {{body: string, source: string} | null} */
  #beforePoint = null;

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, live: LiveConnection, onSend: (id: string, draft: Draft) => void,
   *          onOffer: (id: string) => void}} options `onOffer`: the agent writes in a conversation that is offered to them
   */
  constructor(store, { strings, live, onSend, onOffer }) {
    this.#store = store;
    this.#strings = strings;
    this.#live = live;
    this.#onSend = onSend;
    this.#onOffer = onOffer;
    this.#drafts = new Drafts(store.state.me.id);
    this.#replies = new CannedReplyList(store, strings, (text, source) => this.setText(text, source));
    this.#closed = new ClosedDraft(strings, { onDiscard: () => this.#discard(), onEnd: () => this.#updateAvailability() });
    store.subscribe(() => this.#followConversation());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.#body.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#body.addEventListener("input", () => this.#changed());
  }

  get isOpen() {
    return mayAnswer(this.#store.state, this.#store.row) || this.#isOffer;
  }

  /** Whether the conversation is offered to the agent. Writing accepts the offer; a message is sent only afterwards. */
  get #isOffer() {
    return isOffer(this.#store.state, this.#store.row);
  }

  focus() {
    if (this.isOpen) this.#body.focus();
  }

  /** Replaces the draft. @param {string} text @param {string} [source] of the knowledge point that the text was made from */
  setText(text, source = "") {
    this.#body.value = text;
    this.#source = source;
    this.#changed();
    this.focus();
    this.#selectPlaceholder();
  }

  /**
   * Inserts the text of a point at the caret, or as the whole draft if that is empty. The agent can edit it, and Escape
   * removes it again. If the point that was inserted last is inserted once more, nothing happens.
   *
   * @param {{text: string, source: string}} point
   */
  insertPoint({ text, source }) {
    if (!this.isOpen || (this.#beforePoint && this.#source === source)) return;
    const before = { body: this.#body.value, source: this.#source };
    const value = fillPlaceholders(text, this.#store.thread?.values ?? {});
    if (before.body.trim()) this.#body.setRangeText(value, this.#body.selectionStart, this.#body.selectionEnd, "end");
    else this.#body.value = value;
    this.#source = source;
    this.#changed();
    this.#beforePoint = before;
    this.focus();
    this.#showHint(this.#strings.taken_back);
  }

  /** Inserts text at the caret. @param {string} text */
  insert(text) {
    if (!this.isOpen) return;
    this.#body.setRangeText(text, this.#body.selectionStart, this.#body.selectionEnd, "end");
    this.#changed();
    this.focus();
  }

  /** Inserts a message that came back from the outbox at the start of the draft. @param {string} text */
  prependText(text) {
    this.setText(this.#body.value ? `${text}\n${this.#body.value}` : text);
    this.#updateAvailability();
  }

  openReplies() {
    if (!this.isOpen) return;
    if (!this.#body.value) this.#body.value = "/";
    this.focus();
    this.#changed();
  }

  toggleChoices() {
    this.#choices.toggle();
    this.#saveDraft();
  }

  send() {
    const body = this.#body.value.replace(/\p{Cs}/gu, "\ufffd").replaceAll("\0", "").replace(EDGES, "");
    if (!body || !this.isOpen || this.#isOffer || this.#isBlocked(body)) return;
    this.#onSend(this.#conversation, { body, choices: this.#choices.choices, source: this.#source });
    this.#body.value = "";
    this.#warnedText = "";
    this.#choices.show([]);
    this.#changed();
    this.focus();
  }

  /** Tells whether the message cannot be sent as it is; if so, shows why. @param {string} body */
  #isBlocked(body) {
    if (this.#choices.areInvalid) {
      this.#showHint(this.#strings.too_few_choices);
      return true;
    }
    if (lengthOf(body) > MAX_CHARACTERS) return true;
    const placeholders = placeholdersIn([body, ...this.#choices.choices].join("\n"));
    const areAllUnknown = placeholders.every((placeholder) => !placeholder.isKnown);
    if (!placeholders.length || (areAllUnknown && this.#warnedText === body)) return false;
    this.#warnedText = body;
    this.#selectPlaceholder();
    return true;
  }

  /** Selects the first unfilled placeholder and shows a hint. */
  #selectPlaceholder() {
    const placeholders = placeholdersIn(this.#body.value);
    const first = placeholders.find((placeholder) => placeholder.isKnown) ?? placeholders[0];
    if (!first) return;
    this.#body.setSelectionRange(first.start, first.end);
    const names = placeholders.map((placeholder) => placeholder.text).join(" ");
    this.#showHint(fill(first.isKnown ? this.#strings.unfilled : this.#strings.unknown, { names }));
  }

  /** @param {string} text */
  #showHint(text) {
    const hint = byId("unfilled");
    hint.hidden = !text;
    hint.textContent = text;
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (isForInputMethod(event)) return;
    if (this.#replies.key(event) || this.#undoPoint(event)) return;
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    // Enter may still be held down after it chose a reply or an answer. The repeated key event must not send the
    // message.
    if (!event.repeat) this.send();
  }

  /** Removes the inserted point on Escape. @param {KeyboardEvent} event @returns {boolean} whether it did */
  #undoPoint(event) {
    if (event.key !== "Escape" || !this.#beforePoint) return false;
    this.#body.value = this.#beforePoint.body;
    this.#source = this.#beforePoint.source;
    this.#changed();
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  #changed() {
    this.#beforePoint = null;
    if (!this.#body.value.trim()) this.#source = "";
    else if (this.#isOffer) this.#onOffer(this.#conversation);
    this.#saveDraft();
    this.#draw();
    this.#replies.show(this.#body.value, this.#closed.isComposing);
    if (this.#body.value && !isReplyCall(this.#body.value)) this.#live.typing(this.#conversation);
  }

  #saveDraft() {
    if (!this.#conversation) return;
    const draft = { body: this.#body.value, choices: this.#choices.draft, source: this.#source };
    this.#drafts.keep(this.#conversation, draft);
  }

  /** Loads the draft of another conversation when the agent opens it. */
  #followConversation() {
    if (this.#store.current !== this.#conversation) {
      this.#conversation = this.#store.current;
      const draft = this.#drafts.of(this.#conversation);
      this.#body.value = draft.body;
      this.#source = draft.source;
      this.#beforePoint = null;
      this.#warnedText = "";
      this.#choices.show(draft.choices);
      this.#draw();
      this.#replies.hide();
    }
    this.#updateAvailability();
  }

  #updateAvailability() {
    this.#closed.show(this.isOpen);
    this.#choices.lock(!this.isOpen);
    if (!this.isOpen) this.#replies.hide();
  }

  #discard() {
    this.#body.value = "";
    this.#choices.show([]);
    this.#changed();
    this.#updateAvailability();
  }

  #draw() {
    const text = this.#body.value;
    this.#highlight.draw(text);
    const over = lengthOf(text.replace(EDGES, "")) - MAX_CHARACTERS;
    this.#showHint(over > 0 ? fill(this.#strings.too_long, { count: over }) : "");
  }
}
