/**
 * Keeps the text direction of a name from changing the text around it.
 *
 * Marks that embed, override or isolate a direction (UAX 9) have no place in a name. Elements isolate other people's
 * text in a `bdi` or with `dir`; this module is for plain strings: a page title, a notification, a sentence.
 */

const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\u061c\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Returns a name or another short text so that it can be inserted into a sentence. @param {string} text */
export function isolated(text) {
  const plain = text.replace(MARKS, "");
  return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}
