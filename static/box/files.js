/** Files to and from the service, behind the visitor's token. */

import { make } from "../chat/element.js";
import { fill } from "../chat/words.js";

export class Files {
  /** What is on its way, or was refused. A file does not survive a reload. @type {(OutboxEntry & {file: File})[]} */
  uploads = [];
  #session;
  #setup;
  #words;
  #onChange;
  #isSending = false;
  /** Those that need not be sent again. @type {Set<string>} */
  #sent = new Set();
  /** @type {Map<string, Promise<string>>} */
  #urls = new Map();

  /**
   * @param {import("./session.js").Session} session
   * @param {{types: string[], megabytes: number}} setup
   * @param {() => ChatWords} words
   * @param {() => void} onChange
   */
  constructor(session, setup, words, onChange) {
    this.#session = session;
    this.#setup = setup;
    this.#words = words;
    this.#onChange = onChange;
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const { types, megabytes } = this.#setup;
    for (const file of files) {
      if (!types.includes(file.type)) this.#session.refuse(this.#words().file_kind);
      else if (file.size > megabytes * 2 ** 20) this.#session.refuse(fill(this.#words().file_size, { megabytes }));
      else this.uploads.push({ client_id: crypto.randomUUID(), body: file.name, at: new Date().toISOString(), file });
    }
    this.flush();
    this.#onChange();
  }

  /** @param {string} client_id */
  again(client_id) {
    for (const upload of this.uploads) if (upload.client_id === client_id) upload.refused = undefined;
    this.flush();
    this.#onChange();
  }

  /** Sends what waits, one by one, as soon as there is a conversation to send it to. */
  flush() {
    const { thread, id, isOpen } = this.#session.conversation;
    this.uploads = this.uploads.filter(
      ({ client_id, refused }) =>
        (id || !refused) && !thread.messages.some((message) => message.client_id === client_id),
    );
    const next = this.uploads.find((each) => each.refused === undefined && !this.#sent.has(each.client_id));
    if (isOpen && next && !this.#isSending) this.#send(next, id);
  }

  /** @param {OutboxEntry & {file: File}} upload @param {string} conversation */
  async #send(upload, conversation) {
    const { client_id, file } = upload;
    this.#isSending = true;
    // Tried again after another conversation has begun, it still belongs to this one.
    upload.conversation ||= conversation;
    const body = new FormData();
    body.set("client_id", client_id);
    body.set("conversation", upload.conversation);
    body.set("file", file);
    try {
      const answer = await this.#ask("attachments", { method: "POST", body });
      const { refused } = await answer.json();
      if (!refused) this.#sent.add(client_id);
      if (refused?.retry_after_ms) upload.refused = refused.words;
      else if (refused) {
        this.#session.refuse(refused.words);
        this.uploads = this.uploads.filter((each) => each !== upload);
      }
    } catch {
      upload.refused = this.#words().file_lost;
    }
    this.#isSending = false;
    this.#onChange();
  }

  /** A blob's URL; asked for once. @param {ChatMessage} message @returns {Promise<string>} */
  url({ payload }) {
    const id = payload?.attachment ?? "";
    const url = this.#urls.get(id) ?? this.#blob(`attachments/${id}`);
    this.#urls.set(id, url);
    url.catch(() => this.#urls.delete(id));
    return url;
  }

  async saveTranscript() {
    try {
      const link = make("a");
      link.href = await this.#blob("transcript");
      link.download = this.#words().transcript;
      link.click();
    } catch {
      this.#session.refuse(this.#words().no_transcript);
      this.#onChange();
    }
  }

  /** @param {string} path */
  async #blob(path) {
    const answer = await this.#ask(path);
    if (!answer.ok) throw new Error(String(answer.status));
    return URL.createObjectURL(await answer.blob());
  }

  /** @param {string} path @param {RequestInit} [request] */
  #ask(path, request) {
    const { token, about } = this.#session;
    const headers = { Authorization: `Bearer ${token}`, "Accept-Language": about.language };
    return fetch(`/chat/${path}`, { ...request, headers, credentials: "omit" });
  }

  forget() {
    this.uploads = [];
    this.#urls.forEach((url) => url.then(URL.revokeObjectURL, () => {}));
    this.#urls.clear();
  }
}
