/** The visitor's composer. Enter sends the text, but never while an input method is composing. */

import { contentOf, PastePreview } from "../chat/clipboard.js";
import { lengthOf } from "../chat/character-count.js";
import { byId, isForInputMethod, makeButton } from "../chat/dom.js";

/** @import { UiStrings } from "../chat/ui-strings.js" */
/** @import { BrowserStorage } from "./storage.js" */

const MAX_CHARACTERS = 2000;
const EMOJI = "😊 😄 😂 😅 😉 🙂 😌 😍 🤔 😐 😟 😢 😭 😠 😱 😴 👍 👎 👌 👏 🙏 🤝 💪 👋 ❤️ 🎉 ✅ ❌ ❓ ⏰ 💳 🏦";

export class Composer {
  #text = /** @type {HTMLTextAreaElement} */ (byId("text"));
  #form = byId("composer");
  #list = byId("emoji-list");
  #isComposing = false;

  /**
   * @param {{
   *   storage: BrowserStorage,
   *   strings: UiStrings,
   *   onText: (text: string) => boolean,
   *   onFiles: (files: Iterable<File>) => void,
   *   onTyping: () => void,
   * }} options `onText` returns whether it accepted the text
   */
  constructor({ storage, strings, onText, onFiles, onTyping }) {
    const text = this.#text;
    // Text that was typed before this script ran is kept.
    text.value ||= storage.get("draft") ?? "";
    text.oninput = () => {
      storage.set("draft", text.value);
      byId("text-error").hidden = true;
      this.#fit();
      if (text.value) onTyping();
    };
    text.addEventListener("compositionstart", () => (this.#isComposing = true));
    // Some browsers send compositionend before the Enter key that ended the composition.
    text.addEventListener("compositionend", () => setTimeout(() => (this.#isComposing = false)));
    text.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      if (isForInputMethod(event) || this.#isComposing) return;
      event.preventDefault();
      if (!event.repeat) send();
    };
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      send();
      text.focus();
    };
    const send = () => {
      const body = text.value.replace(/\p{Cs}/gu, "\ufffd").trim();
      const isLong = lengthOf(body) > MAX_CHARACTERS;
      byId("text-error").hidden = !isLong;
      byId("text-error").textContent = isLong ? strings.too_long : "";
      if (!body || isLong || !onText(body)) return;
      storage.set("draft", null);
      this.clear();
    };
    this.#fit();
    this.#emoji();
    this.#files(strings, onFiles);
  }

  get hasText() {
    return !!this.#text.value.trim();
  }

  clear() {
    this.#text.value = "";
    this.#fit();
  }

  focus() {
    this.#text.focus();
  }

  /** @returns {boolean} whether it was open */
  closeEmoji() {
    const wasOpen = !this.#list.hidden;
    this.#list.hidden = true;
    byId("emoji").ariaExpanded = "false";
    return wasOpen;
  }

  /** Makes the text area as high as its text; widget.css limits it to five lines. */
  #fit() {
    this.#text.style.blockSize = "auto";
    this.#text.style.blockSize = `${this.#text.scrollHeight}px`;
  }

  #emoji() {
    byId("emoji").onclick = () => {
      if (this.closeEmoji()) return this.focus();
      if (!this.#list.childElementCount) this.#list.append(...EMOJI.split(" ").map((emoji) => this.#emojiButton(emoji)));
      this.#list.hidden = false;
      byId("emoji").ariaExpanded = "true";
      /** @type {HTMLElement} */ (this.#list.firstElementChild).focus();
    };
  }

  /** @param {string} emoji */
  #emojiButton(emoji) {
    return makeButton(emoji, () => {
      this.closeEmoji();
      this.#insert(emoji);
    });
  }

  /** Inserts text at the caret. @param {string} text */
  #insert(text) {
    const { selectionStart, selectionEnd } = this.#text;
    this.#text.setRangeText(text, selectionStart, selectionEnd, "end");
    this.#text.dispatchEvent(new Event("input"));
    this.focus();
  }

  /** Accepts files by picker, paste and drop, if the site allows files. @param {UiStrings} strings @param {(files: Iterable<File>) => void} onFiles */
  #files(strings, onFiles) {
    const picker = /** @type {HTMLInputElement | null} */ (document.getElementById("file"));
    const preview = new PastePreview(byId("pasted"), strings, onFiles);
    if (picker) {
      byId("attach").onclick = () => picker.click();
      picker.onchange = () => {
        onFiles(picker.files ?? []);
        picker.value = "";
      };
    }
    document.body.onpaste = (event) => {
      const { files } = contentOf(event.clipboardData);
      const isElsewhere = event.target !== this.#text && /** @type {HTMLElement} */ (event.target).matches("input, textarea");
      if (!files.length || isElsewhere || document.querySelector("dialog[open]") || this.#form.hidden) return;
      event.preventDefault();
      if (picker) preview.show(files);
    };
    document.body.ondragover = (event) => {
      event.preventDefault();
      document.body.classList.add("dropping");
    };
    document.body.ondragleave = () => document.body.classList.remove("dropping");
    document.body.ondrop = (event) => {
      document.body.classList.remove("dropping");
      const { files, text } = contentOf(event.dataTransfer);
      // The browser inserts dropped text into a field by itself, and can undo that.
      if (text && /** @type {HTMLElement} */ (event.target).matches("input, textarea")) return;
      event.preventDefault();
      if (this.#form.hidden || document.querySelector("dialog[open]")) return;
      if (files.length && picker) onFiles(files);
      else if (text) this.#insert(text);
    };
  }
}
