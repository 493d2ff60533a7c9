/** What is pasted or dropped: words go before pictures, for cells of a spreadsheet come with a picture of themselves. */

import { make, makeButton } from "./dom.js";

/** @param {DataTransfer | null} transfer @returns {{text: string, files: File[]}} only one of the two holds something */
export function contentOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  const text = textOf(transfer);
  if (files.length && (!text || areNames(text, files))) return { text: "", files };
  return { text, files: [] };
}

/** @param {DataTransfer | null} transfer */
function textOf(transfer) {
  const text = transfer?.getData("text/plain") ?? "";
  // Beside a picture an address only says where the picture comes from.
  return text.trim() || !transfer || transfer.files.length ? text : transfer.getData("text/uri-list");
}

/** Whether the text is only what a file manager calls the files: names, paths or addresses. @param {string} text @param {File[]} files */
function areNames(text, files) {
  const names = files.flatMap(({ name }) => [name, encodeURI(name)]);
  return text.trim().split(/\s*\n/).every((line) => names.some((name) => line.endsWith(name)));
}

/**
 * Pictures that were pasted, shown before they go: nothing pasted is ever sent by itself.
 */
export class PastePreview {
  #place;
  #words;
  #onSend;
  /** @type {string[]} */
  #urls = [];

  /**
   * @param {HTMLElement} place
   * @param {ChatWords} words send, cancel
   * @param {(files: File[]) => void} onSend
   */
  constructor(place, words, onSend) {
    this.#place = place;
    this.#words = words;
    this.#onSend = onSend;
  }

  /** @param {File[]} files in the place of those that are shown */
  show(files) {
    this.hide();
    if (!files.length) return;
    const send = () => {
      this.hide();
      this.#onSend(files);
    };
    this.#place.replaceChildren(
      ...files.map((file) => this.#shown(file)),
      makeButton(this.#words.send, send, "button small main primary"),
      makeButton(this.#words.cancel, () => this.hide(), "button small"),
    );
    this.#place.hidden = false;
  }

  hide() {
    this.#place.hidden = true;
    this.#place.replaceChildren();
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }

  /** @param {File} file */
  #shown(file) {
    if (!file.type.startsWith("image/")) return make("bdi", "", file.name);
    const image = make("img");
    image.alt = file.name;
    image.src = URL.createObjectURL(file);
    this.#urls.push(image.src);
    return image;
  }
}
