/** Pictures and PDF: chosen, pasted or dropped, sent one after the other, each until it has arrived. */

import { contentOf, PastePreview } from "../../chat/clipboard.js";
import { make } from "../../chat/dom.js";
import { postForm, progressBar, UploadQueue } from "../../chat/uploads.js";
import { fill } from "../../chat/ui-strings.js";
import { BASE } from "../requests.js";
import { mayAnswer } from "./state.js";

/** @typedef {import("../../chat/uploads.js").Upload} Upload */

export class Attach {
  #store;
  #words;
  #onText;
  #queue;
  #preview;
  #current = "";
  #place = byId("uploads");
  #input = /** @type {HTMLInputElement} */ (document.getElementById("file"));

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, onText: (text: string) => void}} options `onText`: words were dropped
   */
  constructor(store, { words, onText }) {
    this.#store = store;
    this.#words = words;
    this.#onText = onText;
    this.#queue = new UploadQueue({
      send: (upload, options) => send(upload, options),
      onChange: () => this.#draw(),
      lostWords: () => words.offline_write,
    });
    this.#preview = new PastePreview(byId("pasted"), words, (files) => this.#add(files));
    this.#input.onchange = () => {
      this.#add([...(this.#input.files ?? [])]);
      this.#input.value = "";
    };
    document.addEventListener("paste", (event) => this.#paste(event));
    // Wherever it falls, a file never takes the place of the page, and of what is written there.
    document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    document.addEventListener("drop", (event) => hasFiles(event) && event.preventDefault());
    const talk = byId("talk");
    talk.addEventListener("dragover", (event) => event.preventDefault());
    talk.addEventListener("drop", (event) => this.#drop(event));
    store.subscribe(() => {
      if (this.#current === store.current) return;
      this.#current = store.current;
      this.#preview.hide();
      this.#draw();
    });
  }

  /** The line is back: what waits goes now. */
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
    // A text area puts words where they were dropped, and can undo that.
    if (text && /** @type {HTMLElement} */ (event.target).matches("textarea, input")) return event.stopPropagation();
    event.preventDefault();
    if (!this.#isOpen) return;
    if (files.length) this.#add(files);
    else if (text) this.#onText(text);
  }

  get #isOpen() {
    return mayAnswer(this.#store.state, this.#store.row);
  }

  /** @param {File[]} files to the conversation that is before the agent now, whatever is before them later */
  #add(files) {
    for (const file of files) this.#queue.add(file, { conversation: this.#store.current });
  }

  #draw() {
    const shown = this.#queue.entries.filter(({ conversation }) => conversation === this.#store.current);
    const key = JSON.stringify(shown.map(({ client_id, isSending, refused }) => [client_id, isSending, refused]));
    if (this.#place.dataset.key === key) return;
    this.#place.dataset.key = key;
    this.#place.hidden = !shown.length;
    this.#place.replaceChildren(...shown.map((upload) => this.#element(upload)));
  }

  /** @param {Upload} upload */
  #element(upload) {
    const words = this.#words;
    const { client_id, body, refused, isSending } = upload;
    const name = make("bdi", "", body);
    const remove = this.#button(refused === undefined ? words.cancel : words.discard, () => this.#queue.remove(client_id));
    if (refused !== undefined) {
      const why = fill(words.upload_failed, { name: "", words: refused }).trim();
      const again = this.#button(words.retry, () => this.#queue.retry(client_id));
      return make("span", "upload", name, " ", why, again, remove);
    }
    const state = isSending ? words.uploading : words.upload_waits;
    return make("span", "upload", name, " ", fill(state, { name: "" }).trim(), progressBar(upload), remove);
  }

  /** @param {string} words @param {() => void} then */
  #button(words, then) {
    const button = make("button", "button small", words);
    button.type = "button";
    button.onclick = then;
    return button;
  }
}

/** @type {import("../../chat/uploads.js").Send} */
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

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
