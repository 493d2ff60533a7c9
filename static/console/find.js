/** Returns the first element that matches the selector. There must be one. @param {ParentNode} inside @param {string} selector @returns {HTMLElement} */
export function find(inside, selector) {
  return /** @type {HTMLElement} */ (inside.querySelector(selector));
}
