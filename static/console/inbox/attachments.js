/** Sends images and PDF files that are chosen, pasted or dropped: one after the other, with retries. */

import { contentOf, PastePreview } from "../../chat/clipboard.js";
import { byId, make, makeButton } from "../../chat/dom.js";
import { postForm, progressBar, UploadQueue } from "../../chat/uploads.js";
import { fill } from "../../chat/ui-strings.js";
import { BASE } from "../requests.js";
import { mayAnswer } from "./state.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Send, Upload } from "../../chat/uploads.js" */
/** @import { Store } from "./store.js" */

export class Attachments {
  #store;
  #strings;
  #onText;
  #queue;
  #preview;
  #current = "";
  #container = byId("uploads");
  #input = /** @type {HTMLInputElement} */ (byId("file"));

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, onText: (text: string) => void}} options `onText`: text was dropped
   */
  constructor(store, { strings, onText }) {
    this.#store = store;
    this.#strings = strings;
    this.#onText = onText;
    this.#queue = new UploadQueue({
      send: (upload, options) => send(upload, options),
      onChange: () => this.#draw(),
      lostText: () => strings.offline_write,
    });
    this.#preview = new PastePreview(byId("pasted"), strings, (files) => this.#add(files));
    this.#input.onchange = () => {
      this.#add([...(this.#input.files ?? [])]);
      this.#input.value = "";
    };
    document.addEventListener("paste", (event) => this.#paste(event));
    // Do not let the browser open a dropped file: the file would replace the page, and the unsent text would be lost.
    document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    document.addEventListener("drop", (event) => hasFiles(event) && event.preventDefault());
    const threadElement = byId("conversation");
    threadElement.addEventListener("dragover", (event) => event.preventDefault());
    threadElement.addEventListener("drop", (event) => this.#drop(event));
    store.subscribe(() => {
      if (this.#current === store.current) return;
      this.#current = store.current;
      this.#preview.hide();
      this.#draw();
    });
  }

  /** Sends waiting files immediately. Call it when the connection is back. */
  hurry() {
    this.#queue.hurry();
  }

  choose() {
    this.#input.click();
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const isElsewhere = target.matches("input, textarea, select") && target.id !== "body";
    if (isElsewhere || document.querySelector("dialog[open]") || !this.#isOpen) return;
    const { files } = contentOf(event.clipboardData);
    if (!files.length) return;
    event.preventDefault();
    this.#preview.show(files);
  }

  /** @param {DragEvent} event */
  #drop(event) {
    const { files, text } = contentOf(event.dataTransfer);
    // If text is dropped on a text field, the browser inserts it there and can undo that.
    if (text && /** @type {HTMLElement} */ (event.target).matches("textarea, input")) return event.stopPropagation();
    event.preventDefault();
    if (!this.#isOpen) return;
    if (files.length) this.#add(files);
    else if (text) this.#onText(text);
  }

  get #isOpen() {
    return mayAnswer(this.#store.state, this.#store.row);
  }

  /** Queues files for the conversation that is open now, even if another one is opened before they are sent. @param {File[]} files */
  #add(files) {
    for (const file of files) this.#queue.add(file, { conversation: this.#store.current });
  }

  #draw() {
    const shown = this.#queue.entries.filter(({ conversation }) => conversation === this.#store.current);
    const key = JSON.stringify(shown.map(({ client_id, isSending, refused }) => [client_id, isSending, refused]));
    if (this.#container.dataset.key === key) return;
    this.#container.dataset.key = key;
    this.#container.hidden = !shown.length;
    this.#container.replaceChildren(...shown.map((upload) => this.#element(upload)));
  }

  /** @param {Upload} upload */
  #element(upload) {
    const strings = this.#strings;
    const { client_id, body, refused, isSending } = upload;
    const name = make("bdi", "", body);
    const remove = makeButton(refused === undefined ? strings.cancel : strings.discard, () => this.#queue.remove(client_id), "button small");
    if (refused !== undefined) {
      const reason = fill(strings.upload_failed, { name: "", words: refused }).trim();
      const retry = makeButton(strings.retry, () => this.#queue.retry(client_id), "button small");
      return make("span", "upload", name, " ", reason, retry, remove);
    }
    const state = isSending ? strings.uploading : strings.upload_waits;
    return make("span", "upload", name, " ", fill(state, { name: "" }).trim(), progressBar(upload), remove);
  }
}

/** @type {Send} */
async function send({ client_id, conversation, file }, options) {
  const data = new FormData();
  data.set("file", file);
  data.set("client_id", client_id);
  const headers = { Accept: "application/json", "X-CSRFToken": document.body.dataset.token ?? "" };
  const answer = await postForm(`${BASE}conversations/${conversation}/attachments`, data, { headers, ...options });
  if (answer?.status !== 401) return answer;
  document.dispatchEvent(new Event("signed-out"));
  return answer;
}

/** @param {DragEvent} event */
function hasFiles({ dataTransfer }) {
  return Boolean(dataTransfer?.types.includes("Files"));
}
