/**
 * Shows answers from the bank's knowledge while the visitor waits. They are not messages, and disappear when an agent
 * takes the conversation.
 */

import { bodyElement } from "../chat/message-element.js";
import { byId, make, setText } from "../chat/dom.js";

/** @import { Session } from "./session.js" */

const MAX_QUERY_CHARACTERS = 400;

export class Suggestions {
  #session;
  #onChange;
  /** The section for the answers; null on sites that show no suggestions. */
  #section = document.getElementById("answers");
  #query = "";
  #isAsking = false;
  #isSolved = false;
  /** The source of the answer opened last. */
  #source = "";

  /** @param {Session} session @param {() => void} onChange called when the height has changed */
  constructor(session, onChange) {
    this.#session = session;
    this.#onChange = onChange;
    if (!this.#section) return;
    byId("solved").onclick = () => {
      if (this.#isSolved) return;
      this.#sendFeedback(true);
      this.#isSolved = true;
      byId("offers").hidden = true;
      byId("helped").hidden = false;
      setText(byId("answers-said"), byId("glad").textContent ?? "");
      byId("stay").focus();
    };
    byId("person").onclick = () => {
      if (byId("answers").hidden) return;
      if (this.#source) this.#sendFeedback(false);
      this.#close();
    };
    byId("stay").onclick = () => this.#close();
    byId("leave").onclick = () => {
      if (byId("answers").hidden) return;
      session.request({ kind: "end" });
      this.#close();
    };
  }

  draw() {
    if (!this.#section) return;
    const { state, id, thread } = this.#session.conversation;
    const isOver = this.#session.storage.get("answers") === id && !this.#isSolved;
    if (state?.status !== "waiting" || isOver) return this.#clear();
    const messages = thread.messages.filter(({ role, type }) => role === "visitor" && type === "text");
    const text = [...messages.map(({ body }) => body).join("\n")].slice(-MAX_QUERY_CHARACTERS).join("");
    if (text !== this.#query && !this.#isAsking && !this.#isSolved) this.#ask(text);
  }

  /** Fetches suggestions, one request at a time; text written meanwhile is sent with the next one. @param {string} text */
  async #ask(text) {
    const { id } = this.#session.conversation;
    this.#query = text;
    this.#isAsking = true;
    const { answers = [] } = await this.#post("answers", { text });
    this.#isAsking = false;
    if (this.#query && id === this.#session.conversation.id) this.#show(answers);
    this.draw();
  }

  /**
   * Shows the answers, unless the visitor is reading one of those already shown.
   *
   * @param {{source: string, title: string, text: string}[]} answers
   */
  #show(answers) {
    const list = byId("offers-list");
    if (!answers.length || list.contains(document.activeElement) || list.querySelector("[open]")) return;
    list.replaceChildren(...answers.map((answer) => this.#element(answer)));
    byId("answers").hidden = false;
    setText(byId("answers-said"), byId("answers-title").textContent ?? "");
    this.#onChange();
  }

  /** @param {{source: string, title: string, text: string}} answer */
  #element({ source, title, text }) {
    const summary = make("summary", "", title);
    const element = make("details", "", summary, bodyElement(text));
    summary.dir = "auto";
    // Fix the log's margin, so that the answer opens downwards and everything above it keeps its position.
    summary.onclick = () => (byId("log").style.marginBlockStart = getComputedStyle(byId("log")).marginBlockStart);
    element.ontoggle = () => {
      if (!element.open) return;
      this.#source = source;
      element.scrollIntoView({ block: "nearest" });
    };
    return element;
  }

  /** @param {boolean} is_helpful */
  #sendFeedback(is_helpful) {
    this.#post("answers/judge", { source: this.#source, is_helpful });
  }

  /** Hides the suggestions for the rest of this conversation, even after a reload. */
  #close() {
    this.#session.storage.set("answers", this.#session.conversation.id);
    this.#isSolved = false;
    this.#clear();
    byId("text").focus();
  }

  #clear() {
    this.#query = this.#source = "";
    this.#isSolved = false;
    if (byId("answers").hidden) return;
    byId("answers").hidden = byId("helped").hidden = true;
    byId("offers").hidden = false;
    byId("offers-list").replaceChildren();
    byId("log").style.marginBlockStart = "";
    setText(byId("answers-said"), "");
    this.#onChange();
  }

  /** Posts JSON. A failure is ignored: the suggestions are optional. @param {string} path @param {object} data */
  async #post(path, data) {
    const { token, about } = this.#session;
    const body = JSON.stringify({ token, language: about.language, ...data });
    try {
      // `keepalive` finishes the request even if the visitor leaves the page.
      return await (await fetch(path, { method: "POST", credentials: "omit", keepalive: true, body })).json();
    } catch {
      return {};
    }
  }
}
