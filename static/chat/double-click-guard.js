/** Keeps a double click, or a key that is held down on a button, from being two presses. */

const BUTTONS = "button, summary, [role=option]";

/**
 * Listens before anything else on the page. What may well be pressed quickly bears `data-repeats` or `data-move`.
 *
 * @param {Document} [page]
 */
export function guardPresses(page = document) {
  page.addEventListener("click", (event) => event.detail > 1 && isGuarded(event.target) && stop(event), true);
  page.addEventListener("keydown", (event) => event.repeat && isActivation(event) && stop(event), true);
}

/** @param {KeyboardEvent} event */
function isActivation({ key, target }) {
  return (key === "Enter" || key === " ") && isGuarded(target);
}

/** @param {EventTarget | null} target */
function isGuarded(target) {
  return target instanceof Element && Boolean(target.closest(BUTTONS)) && !target.closest("[data-repeats], [data-move]");
}

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}
