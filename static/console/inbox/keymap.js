/** Which action a key press stands for. Pure: keys.js listens, this only decides. */

/** @type {Record<string, string>} by the letter that the key types, or by its place where it types no Latin letter */
const LETTERS = {
  N: "next",
  J: "down",
  K: "up",
  G: "longest",
  R: "write",
  T: "transfer",
  M: "note",
  C: "close",
  U: "card",
  F: "search",
  S: "points",
  P: "presence",
};
/** @type {Record<string, string>} */
const ARROWS = { ArrowDown: "down", ArrowUp: "up" };
/** What the key of `/` types on a Chinese keyboard, in full width too. */
const SLASHES = "/／、";
/** The only actions that a held key may repeat. */
const REPEATED = new Set(["down", "up"]);

/** @typedef {Pick<KeyboardEvent, "key" | "code" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey" | "repeat">} Press */

/** The Latin letter of a press, in capitals, or "". @param {Pick<Press, "key" | "code">} press */
export function letterOf({ key, code }) {
  const typed = key.normalize("NFKC").toUpperCase();
  if (/^[A-Z]$/.test(typed)) return typed;
  // Alt on a Mac types a sign instead, and Cyrillic or Greek layouts have other letters: the key's place tells.
  return /^Key([A-Z])$/.exec(code)?.[1] ?? "";
}

/** Whether a key, pressed alone, would write something. @param {Press} press */
export function isPrintable({ key, ctrlKey, metaKey, altKey }) {
  return !ctrlKey && !metaKey && !altKey && [...key].length === 1;
}

/** Whether a message that begins like this asks for a canned reply. @param {string} text */
export function isReplyCall(text) {
  return SLASHES.includes(text.slice(0, 1)) && text !== "";
}

/**
 * @param {Press} press
 * @param {{isWriting: boolean, isInAnswers: boolean, movesByArrows: boolean, hasLetters: boolean}} where
 *   `isInAnswers`: the focus is on the list of answers; `movesByArrows`: the focused element uses the arrows itself;
 *   `hasLetters`: letters alone have not been switched off
 * @returns {string} the name of the action, or ""
 */
export function actionOf(press, where) {
  const name = press.altKey ? withAlt(press) : alone(press, where);
  return press.repeat && !REPEATED.has(name) ? "" : name;
}

/** @param {Press} press */
function withAlt(press) {
  if (press.shiftKey) return "";
  // Not the number pad: with Alt, Windows writes characters by their codes with it.
  const digit = /^Digit([1-3])$/.exec(press.code)?.[1];
  return digit ? `point-${digit}` : (ARROWS[press.key] ?? LETTERS[letterOf(press)] ?? "");
}

/** @param {Press} press @param {Parameters<typeof actionOf>[1]} where */
function alone(press, { isWriting, isInAnswers, movesByArrows, hasLetters }) {
  if (isWriting) return "";
  const typed = press.key.normalize("NFKC");
  if (isInAnswers && /^[1-3]$/.test(typed)) return `point-${typed}`;
  if (press.key in ARROWS) return press.shiftKey || movesByArrows ? "" : ARROWS[press.key];
  if (!hasLetters) return "";
  if (typed === "?") return "keys";
  if (SLASHES.includes(press.key)) return "replies";
  return press.shiftKey ? "" : (LETTERS[letterOf(press)] ?? "");
}
