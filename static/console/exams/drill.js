/**
 * The panel of the daily drill, which shows one exam question in a quiet minute. It is hidden while a visitor waits or the
 * agent has an active conversation.
 */

import { fill } from "../../chat/ui-strings.js";
import { Question } from "./question.js";
import { fragment, post } from "../requests.js";
import { mine, waitingCount } from "../inbox/state.js";

export class Drill {
  #strings;
  #panel = byId("drill");
  #offer = byId("drill-offer");
  #container = byId("drill-place");
  /** @type {Question | undefined} */
  #question;
  /** Repeats the request that failed. */
  #retry = () => {};

  /** @param {import("../inbox/store.js").Store} store @param {ChatWords} strings */
  constructor(store, strings) {
    this.#strings = strings;
    store.subscribe((state) => {
      const isQuiet = !waitingCount(state) && !mine(state).some((row) => row.status === "active");
      // Move the focus out of the hidden panel, so that typed text does not land in a question that nobody sees.
      if (!isQuiet && this.#panel.contains(document.activeElement)) byId("talk").focus();
      this.#panel.hidden = !isQuiet;
    });
    this.#panel.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("[data-drill]");
      if (!(button instanceof HTMLElement)) return;
      if (button.dataset.drill === "stop") this.#stop();
      else if (button.dataset.drill === "again") this.#retry();
      else void this.#showNext();
    });
    this.#panel.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#answer(/** @type {HTMLFormElement} */ (event.target));
    });
    // Keys pressed in the drill must not act on a conversation. A digit chooses an option.
    this.#panel.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape") return;
      event.stopPropagation();
      const isTyping = /** @type {HTMLElement} */ (event.target).closest(".filling");
      if (/^[1-9]$/.test(event.key) && !isTyping) this.#question?.choose(Number(event.key));
    });
  }

  async #showNext() {
    const isShown = await fragment("drill/next", "#drill-place");
    if (!isShown) return this.#showFailure(this.#strings.drill_unread, () => void this.#showNext());
    this.#showFailure("");
    this.#offer.hidden = true;
    const element = /** @type {HTMLElement | null} */ (this.#container.querySelector(".question"));
    this.#question = element ? new Question(element, { onAnswer: () => {} }) : undefined;
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
      const retry = isFinal ? undefined : () => form.requestSubmit();
      return this.#showFailure(refused?.words ?? this.#strings.drill_unsent, retry);
    }
    this.#showFailure("");
    const marks = /** @type {HTMLElement} */ (form.querySelector(".drill-marks"));
    byId("drill-outcome").hidden = false;
    const { marks: result, right, why, left } = answer.data;
    marks.dataset.marks = result;
    marks.textContent = this.#strings[`drill_${result}`];
    const lines = result === "full" ? [] : right;
    /** @type {HTMLElement} */ (form.querySelector(".drill-right")).replaceChildren(...lines.map(paragraphOf));
    /** @type {HTMLElement} */ (form.querySelector(".drill-why")).textContent = result === "full" ? "" : why;
    /** @type {HTMLFieldSetElement} */ (form.querySelector(".question")).disabled = true;
    byId("drill-answer").hidden = true;
    const next = byId("drill-next");
    next.hidden = false;
    next.textContent = left ? fill(this.#strings.drill_next, { left }) : this.#strings.drill_done;
    next.dataset.drill = left ? "next" : "stop";
    next.focus();
  }

  /** Shows why a request failed. The answer stays in the form. @param {string} message "" for no failure @param {() => void} [retry] */
  #showFailure(message, retry) {
    byId("drill-failed").hidden = !message;
    byId("drill-failed-words").textContent = message;
    byId("drill-again").hidden = !retry;
    this.#retry = retry ?? (() => {});
  }

  #stop() {
    this.#showFailure("");
    this.#question = undefined;
    this.#container.replaceChildren();
    this.#offer.hidden = false;
    byId("drill-begin").focus();
  }
}

/** @param {string} text */
function paragraphOf(text) {
  const paragraph = document.createElement("p");
  paragraph.dir = "auto";
  paragraph.textContent = text;
  return paragraph;
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
