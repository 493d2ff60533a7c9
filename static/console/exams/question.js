/** A question on a page: what was answered, and answering by keyboard. Shared by the exam and the drill. */

export class Question {
  #box;
  /** Whether the steps of an order were moved: as they stood at first they are no answer. */
  #isMoved;

  /** @param {HTMLElement} box @param {{onAnswer: () => void, onMoved?: (place: number) => void}} options */
  constructor(box, { onAnswer, onMoved = () => {} }) {
    this.#box = box;
    this.#isMoved = box.dataset.given === "yes";
    box.addEventListener("input", onAnswer);
    box.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("[data-move]");
      if (!(button instanceof HTMLElement)) return;
      const place = this.#move(/** @type {HTMLElement} */ (button.closest(".step")), Number(button.dataset.move));
      button.focus();
      if (!place) return;
      this.#isMoved = true;
      onMoved(place);
      onAnswer();
    });
  }

  get place() {
    return Number(this.#box.dataset.place);
  }

  get box() {
    return this.#box;
  }

  /** @returns {any[] | null} in the terms of the server; null for none */
  get given() {
    const kind = this.#box.dataset.kind;
    if (kind === "fill_in") {
      const text = /** @type {HTMLInputElement} */ (this.#box.querySelector(".filling")).value.trim();
      return text ? [text] : null;
    }
    if (kind === "order") return this.#isMoved ? this.#steps().map((step) => Number(step.dataset.value)) : null;
    const chosen = this.#inputs().filter((input) => input.checked);
    return chosen.length ? chosen.map((input) => Number(input.value)) : null;
  }

  /** Puts back what was answered before. @param {any[] | null} given */
  set given(given) {
    const kind = this.#box.dataset.kind;
    if (kind === "fill_in") {
      /** @type {HTMLInputElement} */ (this.#box.querySelector(".filling")).value = given?.[0] ?? "";
    } else if (kind === "order") {
      this.#isMoved = Boolean(given);
      for (const value of given ?? []) {
        const step = this.#steps().find((each) => each.dataset.value === String(value));
        if (step) step.parentElement?.append(step);
      }
    } else {
      for (const input of this.#inputs()) input.checked = Boolean(given?.includes(Number(input.value)));
    }
  }

  /** The option with this number, as if it had been pressed. @param {number} number */
  choose(number) {
    const input = this.#inputs()[number - 1];
    input?.click();
    input?.focus();
  }

  /** To where one answers. */
  focus() {
    const first = this.#inputs().find((input) => input.checked) ?? this.#box.querySelector("input, [data-move]");
    /** @type {HTMLElement | null} */ (first)?.focus();
  }

  #inputs() {
    return /** @type {HTMLInputElement[]} */ ([...this.#box.querySelectorAll(".option input")]);
  }

  #steps() {
    return /** @type {HTMLElement[]} */ ([...this.#box.querySelectorAll(".step")]);
  }

  /** @param {HTMLElement} step @param {number} by @returns {number} its place now, 0 when it has not moved */
  #move(step, by) {
    const steps = this.#steps();
    const to = steps.indexOf(step) + by;
    if (to < 0 || to >= steps.length) return 0;
    if (by < 0) steps[to].before(step);
    else steps[to].after(step);
    return to + 1;
  }
}
