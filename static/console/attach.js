/** Pictures and PDF: chosen, pasted or dropped, sent one after the other. */

import { fill } from "../chat/words.js";
import { make } from "../chat/element.js";
import { post } from "./requests.js";

export class Attach {
  #store;
  #words;
  #place = /** @type {HTMLElement} */ (document.getElementById("uploads"));
  #input = /** @type {HTMLInputElement} */ (document.getElementById("file"));

  /** @param {import("./store.js").Store} store @param {ChatWords} words */
  constructor(store, words) {
    this.#store = store;
    this.#words = words;
    this.#input.onchange = () => {
      this.#send([...(this.#input.files ?? [])]);
      this.#input.value = "";
    };
    const composer = /** @type {HTMLElement} */ (document.getElementById("composer"));
    composer.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) event.preventDefault();
      this.#send(files);
    });
    const talk = /** @type {HTMLElement} */ (document.getElementById("talk"));
    talk.addEventListener("dragover", (event) => event.preventDefault());
    talk.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!composer.hidden) this.#send([...(event.dataTransfer?.files ?? [])]);
    });
  }

  choose() {
    this.#input.click();
  }

  /** @param {File[]} files to the conversation that is before the agent now, whatever is before them later */
  async #send(files) {
    const id = this.#store.current;
    for (const file of files) await this.#sendOne(id, file, crypto.randomUUID());
  }

  /** @param {string} id @param {File} file @param {string} clientId the same when it is tried again */
  async #sendOne(id, file, clientId) {
    const words = this.#words;
    const line = make("span", "upload", fill(words.uploading, { name: file.name }));
    this.#place.append(line);
    this.#place.hidden = false;
    const data = new FormData();
    data.set("file", file);
    data.set("client_id", clientId);
    const answer = await post(`conversations/${id}/attachments`, data);
    if (answer.ok) return this.#done(line);
    const why = answer.refused?.words ?? words.offline_write;
    line.textContent = `${fill(words.upload_failed, { name: file.name, words: why })} `;
    const again = make("button", "button small", words.retry);
    const drop = make("button", "button small", words.discard);
    again.type = drop.type = "button";
    again.onclick = () => {
      this.#done(line);
      void this.#sendOne(id, file, clientId);
    };
    drop.onclick = () => this.#done(line);
    line.append(again, drop);
  }

  /** @param {HTMLElement} line */
  #done(line) {
    line.remove();
    this.#place.hidden = !this.#place.firstElementChild;
  }
}
