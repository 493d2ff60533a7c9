/** The elements of the page, by id, and what is written into them. */

/** @param {string} id @returns {HTMLElement} */
export const by = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Only when it differs, so that a screen reader does not hear it again. @param {string} id @param {string} text */
export function write(id, text) {
  const element = by(id);
  if (element.textContent !== text) element.textContent = text;
}

/** What was typed into a form before the page was loaded again. @param {HTMLFormElement} form @param {object | null} typed by name */
export function fillForm(form, typed) {
  for (const [name, value] of Object.entries(typed ?? {})) Object.assign(form.elements.namedItem(name) ?? {}, { value });
}
