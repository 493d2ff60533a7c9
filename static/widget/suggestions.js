/** While somebody waits: what the bank's own answers say to it. No message, never in the way, gone when a person comes. */

import { bodyElement } from "../chat/bubble.js";
import { make } from "../chat/dom.js";
import { by, write } from "./elements.js";

const ASKED_CHARACTERS = 400;

export class Answers {
  #session;
  #onChange;
  /** Not there where the site shows none. */
  #place = document.getElementById("answers");
  #asked = "";
  #isAsking = false;
  #isSolved = false;
  /** The one opened last. */
  #source = "";

  /** @param {import("./session.js").Session} session @param {() => void} onChange the place is higher, or lower */
  constructor(session, onChange) {
    this.#session = session;
    this.#onChange = onChange;
    if (!this.#place) return;
    by("solved").onclick = () => {
      if (this.#isSolved) return;
      this.#judge(true);
      this.#isSolved = true;
      by("offers").hidden = true;
      by("helped").hidden = false;
      write("answers-said", by("glad").textContent ?? "");
      by("stay").focus();
    };
    by("person").onclick = () => {
      if (by("answers").hidden) return;
      if (this.#source) this.#judge(false);
      this.#close();
    };
    by("stay").onclick = () => this.#close();
    by("leave").onclick = () => {
      if (by("answers").hidden) return;
      session.ask({ kind: "end" });
      this.#close();
    };
  }

  draw() {
    if (!this.#place) return;
    const { state, id, thread } = this.#session.conversation;
    const isOver = this.#session.memory.get("answers") === id && !this.#isSolved;
    if (state?.status !== "waiting" || isOver) return this.#clear();
    const said = thread.messages.filter(({ role, type }) => role === "visitor" && type === "text");
    const text = [...said.map(({ body }) => body).join("\n")].slice(-ASKED_CHARACTERS).join("");
    if (text !== this.#asked && !this.#isAsking && !this.#isSolved) this.#ask(text);
  }

  /** One question at a time; what was written meanwhile is asked then. @param {string} text */
  async #ask(text) {
    const { id } = this.#session.conversation;
    this.#asked = text;
    this.#isAsking = true;
    const { answers = [] } = await this.#post("answers", { text });
    this.#isAsking = false;
    if (this.#asked && id === this.#session.conversation.id) this.#show(answers);
    this.draw();
  }

  /** What somebody is reading stays as it is. @param {{source: string, title: string, text: string}[]} answers */
  #show(answers) {
    const list = by("offers-list");
    if (!answers.length || list.contains(document.activeElement) || list.querySelector("[open]")) return;
    list.replaceChildren(...answers.map((answer) => this.#element(answer)));
    by("answers").hidden = false;
    write("answers-said", by("answers-title").textContent ?? "");
    this.#onChange();
  }

  /** @param {{source: string, title: string, text: string}} answer */
  #element({ source, title, text }) {
    const summary = make("summary", "", title);
    const element = make("details", "", summary, bodyElement(text));
    summary.dir = "auto";
    // It opens downwards, under the finger: what stands above keeps its place.
    summary.onclick = () => (by("log").style.marginBlockStart = getComputedStyle(by("log")).marginBlockStart);
    element.ontoggle = () => {
      if (!element.open) return;
      this.#source = source;
      element.scrollIntoView({ block: "nearest" });
    };
    return element;
  }

  /** @param {boolean} is_helpful */
  #judge(is_helpful) {
    this.#post("answers/judge", { source: this.#source, is_helpful });
  }

  /** For this conversation; a reload does not bring them back. */
  #close() {
    this.#session.memory.set("answers", this.#session.conversation.id);
    this.#isSolved = false;
    this.#clear();
    by("text").focus();
  }

  #clear() {
    this.#asked = this.#source = "";
    this.#isSolved = false;
    if (by("answers").hidden) return;
    by("answers").hidden = by("helped").hidden = true;
    by("offers").hidden = false;
    by("offers-list").replaceChildren();
    by("log").style.marginBlockStart = "";
    write("answers-said", "");
    this.#onChange();
  }

  /** Beside the chat: what fails here is nobody's trouble. @param {string} path @param {object} data */
  async #post(path, data) {
    const { token, about } = this.#session;
    const body = JSON.stringify({ token, language: about.language, ...data });
    try {
      // Kept up when the visitor leaves with their word on it.
      return await (await fetch(path, { method: "POST", credentials: "omit", keepalive: true, body })).json();
    } catch {
      return {};
    }
  }
}
