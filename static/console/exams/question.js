/** A question on an exam page or in the drill. Reads and sets its answer, and handles the keyboard. */

export class Question {
  #element;
  /** Whether a step of an ordering question has been moved. The initial order does not count as an answer. */
  #isMoved;

  /** @param {HTMLElement} element @param {{onAnswer: () => void, onMoved?: (position: number) => void}} options */
  constructor(element, { onAnswer, onMoved = () => {} }) {
    this.#element = element;
    this.#isMoved = element.dataset.given === "yes";
    element.addEventListener("input", onAnswer);
    element.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("[data-move]");
      if (!(button instanceof HTMLElement)) return;
      const position = this.#move(/** @type {HTMLElement} */ (button.closest(".step")), Number(button.dataset.move));
      button.focus();
      if (!position) return;
      this.#isMoved = true;
      onMoved(position);
      onAnswer();
    });
  }

  /** Position of the question in the paper, from 1. */
  get place() {
    return Number(this.#element.dataset.place);
  }

  get element() {
    return this.#element;
  }

  /** The answer in the server's format: option numbers, or the text of a fill-in; null for none. @returns {any[] | null} */
  get given() {
    const kind = this.#element.dataset.kind;
    if (kind === "fill_in") {
      const text = /** @type {HTMLInputElement} */ (this.#element.querySelector(".filling")).value.trim();
      return text ? [text] : null;
    }
    if (kind === "order") return this.#isMoved ? this.#steps().map((step) => Number(step.dataset.value)) : null;
    const chosen = this.#inputs().filter((input) => input.checked);
    return chosen.length ? chosen.map((input) => Number(input.value)) : null;
  }

  /** Shows an answer. @param {any[] | null} given */
  set given(given) {
    const kind = this.#element.dataset.kind;
    if (kind === "fill_in") {
      /** @type {HTMLInputElement} */ (this.#element.querySelector(".filling")).value = given?.[0] ?? "";
    } else if (kind === "order") {
      this.#isMoved = Boolean(given);
      for (const value of given ?? []) {
        const step = this.#steps().find((candidate) => candidate.dataset.value === String(value));
        if (step) step.parentElement?.append(step);
      }
    } else {
      for (const input of this.#inputs()) input.checked = Boolean(given?.includes(Number(input.value)));
    }
  }

  /** Clicks the option with this number. @param {number} number from 1 */
  choose(number) {
    const input = this.#inputs()[number - 1];
    input?.click();
    input?.focus();
  }

  /** Focuses the chosen option, or the first input. */
  focus() {
    const first = this.#inputs().find((input) => input.checked) ?? this.#element.querySelector("input, [data-move]");
    /** @type {HTMLElement | null} */ (first)?.focus();
  }

  #inputs() {
    return /** @type {HTMLInputElement[]} */ ([...this.#element.querySelectorAll(".option input")]);
  }

  #steps() {
    return /** @type {HTMLElement[]} */ ([...this.#element.querySelectorAll(".step")]);
  }

  /** @param {HTMLElement} step @param {number} by @returns {number} its new position from 1, or 0 if it has not moved */
  #move(step, by) {
    const steps = this.#steps();
    const to = steps.indexOf(step) + by;
    if (to < 0 || to >= steps.length) return 0;
    if (by < 0) steps[to].before(step);
    else steps[to].after(step);
    return to + 1;
  }
}
