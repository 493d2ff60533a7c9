/** Finds the elements of the page by id, sets their text, and fills forms. */

/** @param {string} id @returns {HTMLElement} */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Sets an element's text only if it differs, so that a screen reader does not read it again. @param {string} id @param {string} text */
export function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** Restores what was typed before a reload. @param {HTMLFormElement} form @param {object | null} values by field name */
export function fillForm(form, values) {
  for (const [name, value] of Object.entries(values ?? {})) Object.assign(form.elements.namedItem(name) ?? {}, { value });
}
