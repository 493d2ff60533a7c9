/** The list of canned replies that `/` opens above the composer; arrows and Enter choose one. */

import { byId, make } from "../../chat/dom.js";
import { isReplyCall } from "./inbox-shortcut-keys.js";
import { fillPlaceholders, matchingReplies } from "./canned-replies.js";
import { get } from "../requests.js";

/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { CannedReply } from "./canned-replies.js" */
/** @import { Store } from "./store.js" */

const RELOAD_MS = 5 * 60_000;

export class CannedReplyList {
  #store;
  #strings;
  #onChosen;
  #list = byId("reply-list");
  #input = /** @type {HTMLTextAreaElement} */ (byId("body"));
  /** @type {CannedReply[]} */
  #replies = [];
  /** @type {CannedReply[]} */
  #shown = [];
  #chosen = 0;
  #loadedAt = -Infinity;
  /** Whether the last request for the replies failed. */
  #isUnavailable = false;

  /** @param {Store} store @param {UiStrings} strings @param {(text: string, source: string) => void} onChosen */
  constructor(store, strings, onChosen) {
    this.#store = store;
    this.#strings = strings;
    this.#onChosen = onChosen;
    this.#input.setAttribute("aria-controls", "reply-list");
    document.addEventListener("pointerdown", (event) => {
      if (!this.#list.contains(/** @type {Node} */ (event.target))) this.hide();
    });
  }

  /**
   * Shows the replies that match, or hides the list.
   *
   * @param {string} text the whole message; replies are searched only if it begins with `/` or the Chinese 、
   * @param {boolean} isComposing whether an input method is composing: it puts apostrophes or spaces between letters
   */
  show(text, isComposing) {
    const typed = isComposing ? text.slice(1).replace(/['’\s]/g, "") : text.slice(1);
    if (!isReplyCall(text) || /\s/.test(typed)) return this.hide();
    void this.#load().then(() => this.#input.value === text && this.#draw(typed));
  }

  hide() {
    this.#list.hidden = true;
    this.#input.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the list handled the key */
  key(event) {
    if (this.#list.hidden) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#highlight((this.#chosen + step + this.#shown.length) % Math.max(1, this.#shown.length));
    } else if ((event.key === "Enter" || event.key === "Tab") && this.#shown.length) {
      if (!event.repeat) this.#choose(this.#chosen);
    } else if (event.key === "Escape") this.hide();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  async #load() {
    if (performance.now() - this.#loadedAt < RELOAD_MS) return;
    /** @type {ConsoleAnswer<{replies: CannedReply[]}>} */
    const answer = await get("replies.json");
    this.#isUnavailable = !answer.ok;
    if (!answer.ok) return;
    this.#replies = answer.data.replies;
    this.#loadedAt = performance.now();
  }

  /** @param {string} typed */
  #draw(typed) {
    this.#shown = matchingReplies(this.#replies, typed, this.#store.row?.language ?? "zh");
    this.#list.replaceChildren(
      ...this.#shown.map((reply, index) => {
        const scope = make("span", "reply-scope", this.#strings[reply.scope]);
        const top = make("span", "reply-top", make("code", "", `/${reply.shortcut}`), make("b", "", reply.title), scope);
        const text = fillPlaceholders(reply.body, this.#store.thread?.values ?? {});
        const option = make("div", "reply", top, make("span", "reply-text", text));
        option.role = "option";
        option.id = `reply-${reply.id}`;
        option.onclick = () => this.#choose(index);
        return option;
      }),
    );
    if (!this.#shown.length) {
      const isEmpty = this.#isUnavailable && !this.#replies.length;
      this.#list.append(make("p", "quiet", isEmpty ? this.#strings.offline_write : this.#strings.no_reply_found));
    }
    this.#list.hidden = false;
    this.#highlight(0);
  }

  /** @param {number} index */
  #highlight(index) {
    this.#chosen = index;
    [...this.#list.children].forEach((option, position) => {
      if (option.role === "option") option.ariaSelected = String(position === index);
    });
    const option = this.#list.children[index];
    if (!option?.id) return this.#input.removeAttribute("aria-activedescendant");
    option.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", option.id);
  }

  /** @param {number} index */
  #choose(index) {
    const reply = this.#shown[index];
    this.hide();
    this.#onChosen(fillPlaceholders(reply.body, this.#store.thread?.values ?? {}), reply.source);
  }
}
