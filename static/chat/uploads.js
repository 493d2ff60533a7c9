/** Uploads files one at a time, in order. Each file is retried until it is stored, refused for good or removed. */

import { make } from "./dom.js";

/** @import { OutboxEntry } from "./outbox.js" */

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/**
 * After this many tries without an answer or with a server error, a file gets a retry button and the next file is sent.
 * Tries while the browser is offline do not count.
 */
const TRIES = 6;
/** An upload without progress for this long is aborted and started again. */
const STALLED_MS = 45_000;

/**
 * @typedef {OutboxEntry & {file: File, conversation: string, isSending?: boolean, isHopeless: boolean, tries: number}} Upload
 *   `isHopeless`: the file can never be accepted, so no retry is offered
 * @typedef {{status: number, refused?: {words: string, retry_after_ms?: number}} | null} Answer null: no answer came
 * @typedef {(upload: Upload, options: {signal: AbortSignal, onProgress: (part: number) => void}) => Promise<Answer>} Send
 */

export class UploadQueue {
  /** @type {Upload[]} */
  entries = [];
  #send;
  #onChange;
  #lostText;
  #isReady;
  /** @type {AbortController | null} */
  #current = null;
  #timer = 0;
  /** The time of the next try by `performance.now()`, because the machine's clock may be changed meanwhile. */
  #retryAt = 0;

  /**
   * @param {{send: Send, onChange: () => void, lostText: () => string,
   *          isReady?: (upload: Upload) => boolean}} options
   *   `lostText`: the text for a file that could not be uploaded; `isReady`: whether an upload can be sent now
   */
  constructor({ send, onChange, lostText, isReady = () => true }) {
    this.#send = send;
    this.#onChange = onChange;
    this.#lostText = lostText;
    this.#isReady = isReady;
    addEventListener("online", () => this.hurry());
  }

  /** @param {File} file @param {{conversation?: string, refused?: string}} [more] `refused`: the reason why it is not uploaded at all */
  add(file, { conversation = "", refused } = {}) {
    const client_id = crypto.randomUUID();
    const at = new Date().toISOString();
    const isHopeless = refused !== undefined;
    this.entries.push({ client_id, body: file.name, at, file, conversation, refused, isHopeless, tries: 0 });
    this.#changed();
  }

  /** Uploads a refused file again. @param {string} client_id */
  retry(client_id) {
    const upload = this.#find(client_id);
    if (upload?.refused === undefined) return;
    upload.refused = undefined;
    upload.tries = 0;
    this.#retryAt = 0;
    this.#changed();
  }

  /** Removes a file from the list, and aborts its upload. @param {string} client_id */
  remove(client_id) {
    const upload = this.#find(client_id);
    if (!upload) return;
    this.entries = this.entries.filter((entry) => entry !== upload);
    if (upload.isSending) this.#current?.abort();
    this.#changed();
  }

  /** Ends all waits between tries, because the network is back. */
  hurry() {
    this.#retryAt = 0;
    this.flush();
  }

  clear() {
    this.entries = [];
    this.#current?.abort();
    clearTimeout(this.#timer);
  }

  /** Uploads the next file if it can be sent now. */
  flush() {
    const rest = this.#retryAt - performance.now();
    const next = this.entries.find((upload) => upload.refused === undefined && this.#isReady(upload));
    if (this.#current || !next) return;
    clearTimeout(this.#timer);
    if (rest > 0) this.#timer = setTimeout(() => this.flush(), rest + 1);
    else void this.#try(next);
  }

  /** @param {Upload} upload */
  async #try(upload) {
    const controller = new AbortController();
    this.#current = controller;
    upload.isSending = true;
    this.#onChange();
    let stalled = 0;
    /** @param {number} part */
    const onProgress = (part) => {
      clearTimeout(stalled);
      stalled = setTimeout(() => controller.abort(), STALLED_MS);
      const bar = document.getElementById(upload.client_id);
      if (bar instanceof HTMLProgressElement) bar.value = part;
    };
    onProgress(0);
    const answer = await this.#send(upload, { signal: controller.signal, onProgress }).catch(() => null);
    clearTimeout(stalled);
    this.#current = null;
    upload.isSending = false;
    if (this.entries.includes(upload)) this.#settle(upload, answer);
    this.#changed();
  }

  /** @param {Upload} upload @param {Answer} answer */
  #settle(upload, answer) {
    const refused = answer?.refused;
    if (answer && answer.status < 300) this.entries = this.entries.filter((entry) => entry !== upload);
    else if (refused && !refused.retry_after_ms) upload.refused = refused.words;
    else if (refused?.retry_after_ms) this.#retryAt = performance.now() + refused.retry_after_ms;
    else if (answer && answer.status < 500) upload.refused = this.#lostText();
    else if (navigator.onLine !== false && ++upload.tries >= TRIES) upload.refused = this.#lostText();
    else this.#retryAt = performance.now() + Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** upload.tries);
  }

  #changed() {
    this.#onChange();
    this.flush();
  }

  /** @param {string} client_id */
  #find(client_id) {
    return this.entries.find((upload) => upload.client_id === client_id);
  }
}

/** Creates the progress bar of an upload. UploadQueue finds it by its id and updates it. @param {Pick<Upload, "client_id" | "body">} upload */
export function progressBar({ client_id, body }) {
  const bar = make("progress");
  bar.id = client_id;
  bar.value = 0;
  bar.ariaLabel = body;
  return bar;
}

/**
 * Posts a form and reports the progress of the upload. `fetch` cannot report progress.
 *
 * @param {string} url
 * @param {FormData} data
 * @param {{headers: Record<string, string>, signal: AbortSignal, onProgress: (part: number) => void}} options
 * @returns {Promise<Answer>}
 */
export function postForm(url, data, { headers, signal, onProgress }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onload = () => resolve({ status: request.status, refused: request.response?.refused });
    request.onerror = request.onabort = () => resolve(null);
    signal.onabort = () => request.abort();
    request.send(data);
  });
}
