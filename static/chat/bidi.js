/**
 * Keeps bidirectional control characters (UAX 9) in a name from reordering the text around the name.
 *
 * In HTML, text of other people is isolated by a `bdi` element or by `dir`. This module is for plain strings, such as a
 * page title, a notification or a sentence.
 */

const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\u061c\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Returns a name or another short text in a form that is safe to insert into a sentence. @param {string} text */
export function isolated(text) {
  const plain = text.replace(MARKS, "");
  return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}
