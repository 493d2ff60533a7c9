/** Counts characters as the server does, by code points: an emoji of two UTF-16 units counts as one. */

/** @param {string} text */
export function lengthOf(text) {
  return [...text].length;
}
