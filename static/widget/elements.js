/** The elements of the page, by id, and what is written into them. */

/** @param {string} id @returns {HTMLElement} */
export const by = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Only when it differs, so that a screen reader does not hear it again. @param {string} id @param {string} text */
export function write(id, text) {
  const element = by(id);
  if (element.textContent !== text) element.textContent = text;
}
