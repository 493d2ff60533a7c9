/** A question in a quiet minute. It is gone as soon as somebody waits or one of mine is open, and comes back after. */

import { fill } from "../../chat/ui-strings.js";
import { Question } from "./question.js";
import { fragment, post } from "../requests.js";
import { mine, waitingCount } from "../inbox/state.js";

export class Drill {
  #words;
  #box = byId("drill");
  #offer = byId("drill-offer");
  #place = byId("drill-place");
  /** @type {Question | undefined} */
  #question;
  /** What has failed, done once more. */
  #again = () => {};

  /** @param {import("../inbox/store.js").Store} store @param {ChatWords} words */
  constructor(store, words) {
    this.#words = words;
    store.subscribe((state) => {
      const isQuiet = !waitingCount(state) && !mine(state).some((row) => row.status === "active");
      // What has the focus goes with it: nothing that is typed on lands in a question that nobody sees.
      if (!isQuiet && this.#box.contains(document.activeElement)) byId("talk").focus();
      this.#box.hidden = !isQuiet;
    });
    this.#box.addEventListener("click", (event) => {
      const what = /** @type {HTMLElement} */ (event.target).closest("[data-drill]");
      if (!(what instanceof HTMLElement)) return;
      if (what.dataset.drill === "stop") this.#stop();
      else if (what.dataset.drill === "again") this.#again();
      else void this.#ask();
    });
    this.#box.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#answer(/** @type {HTMLFormElement} */ (event.target));
    });
    // Its keys are its own: a digit chooses here, and no letter does anything with a conversation.
    this.#box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape") return;
      event.stopPropagation();
      const isTyping = /** @type {HTMLElement} */ (event.target).closest(".filling");
      if (/^[1-9]$/.test(event.key) && !isTyping) this.#question?.choose(Number(event.key));
    });
  }

  async #ask() {
    const isThere = await fragment("drill/next", "#drill-place");
    if (!isThere) return this.#fail(this.#words.drill_unread, () => void this.#ask());
    this.#fail("");
    this.#offer.hidden = true;
    const box = /** @type {HTMLElement | null} */ (this.#place.querySelector(".question"));
    this.#question = box ? new Question(box, { onAnswer: () => {} }) : undefined;
    this.#question?.focus();
  }

  /** @param {HTMLFormElement} form */
  async #answer(form) {
    const given = this.#question?.given;
    if (!given) return this.#question?.focus();
    const { question, review } = form.dataset;
    const answer = await post("drill/answer", { question: Number(question), review: Number(review), given });
    if (!answer.ok) {
      const { refused } = answer;
      const isFinal = refused && !refused.retry_after_ms;
      return this.#fail(refused?.words ?? this.#words.drill_unsent, isFinal ? undefined : () => form.requestSubmit());
    }
    this.#fail("");
    const marks = /** @type {HTMLElement} */ (form.querySelector(".drill-marks"));
    byId("drill-outcome").hidden = false;
    const { marks: how, right, why, left } = answer.data;
    marks.dataset.marks = how;
    marks.textContent = this.#words[`drill_${how}`];
    const lines = how === "full" ? [] : right;
    /** @type {HTMLElement} */ (form.querySelector(".drill-right")).replaceChildren(...lines.map(line));
    /** @type {HTMLElement} */ (form.querySelector(".drill-why")).textContent = how === "full" ? "" : why;
    /** @type {HTMLFieldSetElement} */ (form.querySelector(".question")).disabled = true;
    byId("drill-answer").hidden = true;
    const next = byId("drill-next");
    next.hidden = false;
    next.textContent = left ? fill(this.#words.drill_next, { left }) : this.#words.drill_done;
    next.dataset.drill = left ? "next" : "stop";
    next.focus();
  }

  /** Says what failed, below what is there; the answer stays. @param {string} words "" for nothing @param {() => void} [again] */
  #fail(words, again) {
    byId("drill-failed").hidden = !words;
    byId("drill-failed-words").textContent = words;
    byId("drill-again").hidden = !again;
    this.#again = again ?? (() => {});
  }

  #stop() {
    this.#fail("");
    this.#question = undefined;
    this.#place.replaceChildren();
    this.#offer.hidden = false;
    byId("drill-begin").focus();
  }
}

/** @param {string} text */
function line(text) {
  const paragraph = document.createElement("p");
  paragraph.dir = "auto";
  paragraph.textContent = text;
  return paragraph;
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
