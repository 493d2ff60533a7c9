/** Counts characters as the server does: code points, so that an emoji of two UTF-16 units is one. */

/** @param {string} text */
export function lengthOf(text) {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index++) if (isPair(text, index)) count--;
  return count;
}

/** The first characters of a text, at most `count` code points; no visible character is cut in two. @param {string} text @param {number} count */
export function cutTo(text, count) {
  if (text.length <= count || lengthOf(text) <= count) return text;
  let cut = "";
  let length = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    length += lengthOf(segment);
    if (length > count) break;
    cut += segment;
  }
  return cut;
}

/** The first visible character: of a family emoji or a flag all of it. @param {string} text */
export function firstCharacter(text) {
  const [first] = new Intl.Segmenter().segment(text);
  return first?.segment ?? "";
}

/** @param {string} text @param {number} index */
function isPair(text, index) {
  const [high, low] = [text.charCodeAt(index), text.charCodeAt(index + 1)];
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}
