/** Returns an element that its template has. @param {ParentNode} inside @param {string} selector @returns {HTMLElement} */
export function find(inside, selector) {
  return /** @type {HTMLElement} */ (inside.querySelector(selector));
}
