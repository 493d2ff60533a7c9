/**
 * Keeps what other people wrote from turning the words beside it.
 *
 * The marks that embed, override or isolate a direction (UAX 9) have no place in a name. Elements hold other people's
 * text in a `bdi` or with `dir`; where there are no elements (a title, a notice, one sentence) this is used.
 */

const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\u061c\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A name or another piece of one line, to be put among other words. @param {string} text */
export function isolated(text) {
  const plain = text.replace(MARKS, "");
  return RIGHT_TO_LEFT.test(plain) ? `\u2068${plain}\u2069` : plain;
}
