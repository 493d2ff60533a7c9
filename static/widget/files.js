/** Uploads and downloads the visitor's files. Each request carries the visitor's token. */

import { make } from "../chat/dom.js";
import { postForm, UploadQueue } from "../chat/uploads.js";
import { fill } from "../chat/ui-strings.js";

/** @import { MessageData } from "../chat/frames.d.ts" */
/** @import { UiStrings } from "../chat/ui-strings.js" */
/** @import { Send, Upload } from "../chat/uploads.js" */
/** @import { Session } from "./session.js" */

export class Files {
  #session;
  #setup;
  #strings;
  #onChange;
  queue;
  /** Accepted uploads that have not come back as a message yet. Uploads do not survive a reload. @type {Upload[]} */
  #accepted = [];
  #isSaving = false;
  /** @type {Map<string, Promise<string>>} */
  #urls = new Map();

  /**
   * @param {Session} session
   * @param {{types: string[], megabytes: number}} setup
   * @param {() => UiStrings} strings
   * @param {() => void} onChange
   */
  constructor(session, setup, strings, onChange) {
    this.#session = session;
    this.#setup = setup;
    this.#strings = strings;
    this.#onChange = onChange;
    this.queue = new UploadQueue({
      send: (upload, options) => this.#send(upload, options),
      onChange,
      lostText: () => strings().file_lost,
      isReady: ({ conversation }) => session.conversation.isOpen && conversation === session.conversation.id,
    });
  }

  /** The uploads that are not shown as messages yet, including refused ones. */
  get uploads() {
    return [...this.#accepted, ...this.queue.entries];
  }

  /** @param {string} client_id */
  isAccepted(client_id) {
    return this.#accepted.some((upload) => upload.client_id === client_id);
  }

  /** Returns why a file cannot be sent, or undefined if it can. @param {File} file */
  problemOf(file) {
    const { types, megabytes } = this.#setup;
    if (!types.includes(file.type)) return this.#strings().file_kind;
    return file.size > megabytes * 2 ** 20 ? fill(this.#strings().file_size, { megabytes }) : undefined;
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const conversation = this.#session.conversation.id;
    for (const file of files) this.queue.add(file, { conversation, refused: this.problemOf(file) });
  }

  /** Sends waiting files as soon as there is a conversation. */
  flush() {
    const { thread, id, isEnded } = this.#session.conversation;
    const stored = new Set(thread.messages.map((message) => message.client_id));
    this.#accepted = this.#accepted.filter((upload) => upload.conversation === id && !stored.has(upload.client_id));
    for (const upload of this.queue.entries) {
      // A file that was chosen before there was a conversation belongs to the current conversation.
      upload.conversation ||= id;
      if (upload.conversation !== id) this.queue.remove(upload.client_id);
      else if (isEnded && !upload.isSending) upload.refused ??= this.#strings().ended;
    }
    this.queue.flush();
  }

  /** @type {Send} */
  async #send(upload, options) {
    const body = new FormData();
    body.set("client_id", upload.client_id);
    body.set("conversation", upload.conversation);
    body.set("file", upload.file);
    const answer = await postForm("/chat/attachments", body, { headers: this.#headers(), ...options });
    if (answer && answer.status < 300) this.#accepted.push(upload);
    return answer;
  }

  /** Returns the URL of a blob with the message's file. Each file is fetched only once. @param {MessageData} message @returns {Promise<string>} */
  url({ payload }) {
    const id = payload?.attachment ?? "";
    const url = this.#urls.get(id) ?? this.#blob(`attachments/${id}`);
    this.#urls.set(id, url);
    url.catch(() => this.#urls.delete(id));
    return url;
  }

  async saveTranscript() {
    if (this.#isSaving) return;
    this.#isSaving = true;
    try {
      const link = make("a");
      link.href = await this.#blob("transcript");
      link.download = this.#strings().transcript;
      link.click();
    } catch {
      this.#session.refuse(this.#strings().no_transcript);
      this.#onChange();
    }
    this.#isSaving = false;
  }

  /** @param {string} path */
  async #blob(path) {
    const answer = await this.#ask(path);
    if (!answer.ok) throw new Error(String(answer.status));
    return URL.createObjectURL(await answer.blob());
  }

  /** @param {string} path */
  #ask(path) {
    return fetch(`/chat/${path}`, { headers: this.#headers(), credentials: "omit" });
  }

  #headers() {
    const { token, about } = this.#session;
    return { Authorization: `Bearer ${token}`, "Accept-Language": about.language };
  }

  forget() {
    this.#accepted = [];
    this.queue.clear();
    this.#urls.forEach((url) => url.then(URL.revokeObjectURL, () => {}));
    this.#urls.clear();
  }
}
