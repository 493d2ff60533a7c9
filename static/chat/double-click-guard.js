/** Keeps a double click, or a key held down, from pressing a button twice. */

const BUTTONS = "button, summary, [role=option]";

/**
 * Installs the guard; its listeners run before all others. Controls with `data-repeats` or `data-move` are exempt: they
 * may be pressed in quick succession.
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
