/** Where the visitor writes. Enter sends, but never while an input method is composing. */

import { contentOf, PastePreview } from "../chat/clipboard.js";
import { lengthOf } from "../chat/character-count.js";
import { makeButton } from "../chat/dom.js";
import { by } from "./elements.js";

const LONGEST = 2000;
const EMOJI = "😊 😄 😂 😅 😉 🙂 😌 😍 🤔 😐 😟 😢 😭 😠 😱 😴 👍 👎 👌 👏 🙏 🤝 💪 👋 ❤️ 🎉 ✅ ❌ ❓ ⏰ 💳 🏦";

export class Composer {
  #text = /** @type {HTMLTextAreaElement} */ (by("text"));
  #form = by("composer");
  #list = by("emoji-list");
  #isComposing = false;

  /**
   * @param {{
   *   memory: import("./storage.js").Memory,
   *   words: ChatWords,
   *   onText: (text: string) => boolean,
   *   onFiles: (files: Iterable<File>) => void,
   *   onTyping: () => void,
   * }} options `onText` says whether it took the text
   */
  constructor({ memory, words, onText, onFiles, onTyping }) {
    const text = this.#text;
    // What was typed before this script ran stays.
    text.value ||= memory.get("draft") ?? "";
    text.oninput = () => {
      memory.set("draft", text.value);
      by("text-error").hidden = true;
      this.#fit();
      if (text.value) onTyping();
    };
    text.addEventListener("compositionstart", () => (this.#isComposing = true));
    // Some browsers end the composition before the Enter that ended it arrives.
    text.addEventListener("compositionend", () => setTimeout(() => (this.#isComposing = false)));
    text.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      if (event.isComposing || event.keyCode === 229 || this.#isComposing) return;
      event.preventDefault();
      if (!event.repeat) send();
    };
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      send();
      text.focus();
    };
    const send = () => {
      const written = text.value.replace(/\p{Cs}/gu, "\ufffd").trim();
      const isLong = lengthOf(written) > LONGEST;
      by("text-error").hidden = !isLong;
      by("text-error").textContent = isLong ? words.too_long : "";
      if (!written || isLong || !onText(written)) return;
      memory.set("draft", null);
      this.clear();
    };
    this.#fit();
    this.#emoji();
    this.#files(words, onFiles);
  }

  get hasWords() {
    return !!this.#text.value.trim();
  }

  clear() {
    this.#text.value = "";
    this.#fit();
  }

  focus() {
    this.#text.focus();
  }

  /** @returns {boolean} whether there was something to fold */
  fold() {
    const wasOpen = !this.#list.hidden;
    this.#list.hidden = true;
    by("emoji").ariaExpanded = "false";
    return wasOpen;
  }

  /** As high as its lines; box.css ends that at five. */
  #fit() {
    this.#text.style.blockSize = "auto";
    this.#text.style.blockSize = `${this.#text.scrollHeight}px`;
  }

  #emoji() {
    by("emoji").onclick = () => {
      if (this.fold()) return this.focus();
      if (!this.#list.childElementCount) this.#list.append(...EMOJI.split(" ").map((each) => this.#emojiButton(each)));
      this.#list.hidden = false;
      by("emoji").ariaExpanded = "true";
      /** @type {HTMLElement} */ (this.#list.firstElementChild).focus();
    };
  }

  /** @param {string} emoji */
  #emojiButton(emoji) {
    return makeButton(emoji, () => {
      this.fold();
      this.#insert(emoji);
    });
  }

  /** Puts words where the caret is. @param {string} words */
  #insert(words) {
    const { selectionStart, selectionEnd } = this.#text;
    this.#text.setRangeText(words, selectionStart, selectionEnd, "end");
    this.#text.dispatchEvent(new Event("input"));
    this.focus();
  }

  /** Files by picker, paste and drop; a site may take none. @param {ChatWords} words @param {(files: Iterable<File>) => void} onFiles */
  #files(words, onFiles) {
    const picker = /** @type {HTMLInputElement | null} */ (document.getElementById("file"));
    const preview = new PastePreview(by("pasted"), words, onFiles);
    if (picker) {
      by("attach").onclick = () => picker.click();
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
      // A field puts words where they were dropped, and can undo that.
      if (text && /** @type {HTMLElement} */ (event.target).matches("input, textarea")) return;
      event.preventDefault();
      if (this.#form.hidden || document.querySelector("dialog[open]")) return;
      if (files.length && picker) onFiles(files);
      else if (text) this.#insert(text);
    };
  }
}
