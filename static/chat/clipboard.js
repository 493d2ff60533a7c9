/** Reads pasted or dropped content. Text is preferred to files, because copied spreadsheet cells also come as a picture. */

import { make, makeButton } from "./dom.js";

/** @import { UiStrings } from "./ui-strings.js" */

/** @param {DataTransfer | null} transfer @returns {{text: string, files: File[]}} `text` or `files` is empty, or both are */
export function contentOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  const text = textOf(transfer);
  if (files.length && (!text || areNames(text, files))) return { text: "", files };
  return { text, files: [] };
}

/** @param {DataTransfer | null} transfer */
function textOf(transfer) {
  const text = transfer?.getData("text/plain") ?? "";
  // Beside a picture, text/uri-list only tells where the picture comes from.
  return text.trim() || !transfer || transfer.files.length ? text : transfer.getData("text/uri-list");
}

/**
 * Returns whether every line of the text ends with the name of one of the files. File managers add such a text, with
 * names, paths or URLs, to copied files.
 *
 * @param {string} text
 * @param {File[]} files
 */
function areNames(text, files) {
  const names = files.flatMap(({ name }) => [name, encodeURI(name)]);
  return text.trim().split(/\s*\n/).every((line) => names.some((name) => line.endsWith(name)));
}

/** Shows pasted files with a button that sends them. Pasted content is never sent without a click. */
export class PastePreview {
  #place;
  #strings;
  #onSend;
  /** @type {string[]} */
  #urls = [];

  /**
   * @param {HTMLElement} place
   * @param {UiStrings} strings with the keys send and cancel
   * @param {(files: File[]) => void} onSend
   */
  constructor(place, strings, onSend) {
    this.#place = place;
    this.#strings = strings;
    this.#onSend = onSend;
  }

  /** @param {File[]} files to show instead of the current ones */
  show(files) {
    this.hide();
    if (!files.length) return;
    const send = () => {
      this.hide();
      this.#onSend(files);
    };
    this.#place.replaceChildren(
      ...files.map((file) => this.#preview(file)),
      makeButton(this.#strings.send, send, "button small main primary"),
      makeButton(this.#strings.cancel, () => this.hide(), "button small"),
    );
    this.#place.hidden = false;
  }

  hide() {
    this.#place.hidden = true;
    this.#place.replaceChildren();
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }

  /** @param {File} file */
  #preview(file) {
    if (!file.type.startsWith("image/")) return make("bdi", "", file.name);
    const image = make("img");
    image.alt = file.name;
    image.src = URL.createObjectURL(file);
    this.#urls.push(image.src);
    return image;
  }
}
