/** The list over the composer that `/` opens: replies kept ready, chosen by arrows and Enter. */

import { make } from "../../chat/dom.js";
import { isReplyCall } from "./keymap.js";
import { filled, fitting } from "./canned-replies.js";
import { get } from "../requests.js";

const AGAIN_MS = 5 * 60_000;

export class ReplyList {
  #store;
  #words;
  #onChosen;
  #list = /** @type {HTMLElement} */ (document.getElementById("reply-list"));
  #input = /** @type {HTMLTextAreaElement} */ (document.getElementById("body"));
  /** @type {ConsoleReply[]} */
  #replies = [];
  /** @type {ConsoleReply[]} */
  #shown = [];
  #chosen = 0;
  #readAt = -Infinity;
  /** The server did not give them when it was asked last. */
  #isAway = false;

  /** @param {import("./store.js").Store} store @param {ChatWords} words @param {(text: string, source: string) => void} onChosen */
  constructor(store, words, onChosen) {
    this.#store = store;
    this.#words = words;
    this.#onChosen = onChosen;
    this.#input.setAttribute("aria-controls", "reply-list");
    document.addEventListener("pointerdown", (event) => {
      if (!this.#list.contains(/** @type {Node} */ (event.target))) this.hide();
    });
  }

  /**
   * @param {string} text of the whole message: only one that begins with `/`, or its Chinese 、, looks for a reply
   * @param {boolean} isComposing an input method puts apostrophes or blanks between letters meanwhile
   */
  show(text, isComposing) {
    const typed = isComposing ? text.slice(1).replace(/['’\s]/g, "") : text.slice(1);
    if (!isReplyCall(text) || /\s/.test(typed)) return this.hide();
    void this.#read().then(() => this.#input.value === text && this.#draw(typed));
  }

  hide() {
    this.#list.hidden = true;
    this.#input.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was for the list */
  key(event) {
    if (this.#list.hidden) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#point((this.#chosen + step + this.#shown.length) % Math.max(1, this.#shown.length));
    } else if ((event.key === "Enter" || event.key === "Tab") && this.#shown.length) {
      if (!event.repeat) this.#take(this.#chosen);
    } else if (event.key === "Escape") this.hide();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  async #read() {
    if (performance.now() - this.#readAt < AGAIN_MS) return;
    const answer = await get("replies.json");
    this.#isAway = !answer.ok;
    if (!answer.ok) return;
    this.#replies = answer.data.replies;
    this.#readAt = performance.now();
  }

  /** @param {string} typed */
  #draw(typed) {
    this.#shown = fitting(this.#replies, typed, this.#store.row?.language ?? "zh");
    this.#list.replaceChildren(
      ...this.#shown.map((reply, index) => {
        const scope = make("span", "reply-scope", this.#words[reply.scope]);
        const top = make("span", "reply-top", make("code", "", `/${reply.shortcut}`), make("b", "", reply.title), scope);
        const text = filled(reply.body, this.#store.thread?.values ?? {});
        const option = make("div", "reply", top, make("span", "reply-words", text));
        option.role = "option";
        option.id = `reply-${reply.id}`;
        option.onclick = () => this.#take(index);
        return option;
      }),
    );
    if (!this.#shown.length) {
      const isEmpty = this.#isAway && !this.#replies.length;
      this.#list.append(make("p", "quiet", isEmpty ? this.#words.offline_write : this.#words.no_reply_found));
    }
    this.#list.hidden = false;
    this.#point(0);
  }

  /** @param {number} index */
  #point(index) {
    this.#chosen = index;
    [...this.#list.children].forEach((option, each) => {
      if (option.role === "option") option.ariaSelected = String(each === index);
    });
    const option = this.#list.children[index];
    if (!option?.id) return this.#input.removeAttribute("aria-activedescendant");
    option.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", option.id);
  }

  /** @param {number} index */
  #take(index) {
    const reply = this.#shown[index];
    this.hide();
    this.#onChosen(filled(reply.body, this.#store.thread?.values ?? {}), reply.source);
  }
}
