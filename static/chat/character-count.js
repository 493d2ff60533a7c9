/** Counts characters as the server does: code points, so that an emoji of two UTF-16 units is one. */

/** @param {string} text */
export function lengthOf(text) {
  return [...text].length;
}
