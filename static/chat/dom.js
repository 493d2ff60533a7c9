/** Finds, creates and changes HTML elements. Strings are always inserted as text, never as HTML. */

/** SVG paths of lucide icons (ISC licence), by name. @type {Record<string, string>} */
const PATHS = {
  clock: "M12 6v6l4 2M22 12a10 10 0 1 1-20 0 10 10 0 0 1 20 0",
  check: "M20 6 9 17l-5-5",
  checks: "M18 6 7 17l-5-5M22 10l-7.5 7.5L13 16",
  alert: "M12 8v4M12 16h.01M22 12a10 10 0 1 1-20 0 10 10 0 0 1 20 0",
  file: "M15 2H6a2 2 0 0 0-2 2v16a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2V7ZM14 2v6h6M8 13h8M8 17h5",
};

/** Returns the element with this id. The page must contain it. @param {string} id @returns {HTMLElement} */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Sets an element's text unless it is already the same, because a screen reader would read an unchanged text again.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Restores the values that were typed into a form before a reload. @param {HTMLFormElement} form @param {object | null} values by field name */
export function fillForm(form, values) {
  for (const [name, value] of Object.entries(values ?? {})) Object.assign(form.elements.namedItem(name) ?? {}, { value });
}

/** Tells whether an input method handles this key. Safari sends Enter with key code 229 just after the text was composed. @param {KeyboardEvent} event */
export const isForInputMethod = (event) => event.isComposing || event.keyCode === 229;

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {...(Node | string)} inside
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className = "", ...inside) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...inside);
  return element;
}

/** Makes a button that does not submit a form. @param {string | Node} inside @param {() => void} onclick @param {string} [className] */
export function makeButton(inside, onclick, className = "") {
  const button = make("button", className, inside);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

/** @param {string} name a key of PATHS */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
