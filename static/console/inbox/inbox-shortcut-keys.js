/** Maps key presses to the actions of the inbox. Pure functions; inbox-shortcuts.js listens to the events. */

/** @type {Record<string, string>} by the letter that the key types, or by its position if it types no Latin letter */
const LETTERS = {
  N: "next",
  A: "accept",
  D: "decline",
  J: "down",
  K: "up",
  G: "longest",
  R: "write",
  T: "transfer",
  M: "note",
  C: "close",
  E: "emergency",
  Y: "why",
  U: "card",
  O: "board",
  F: "search",
  S: "points",
  P: "presence",
  L: "alerts",
};
/** @type {Record<string, string>} */
const ARROWS = { ArrowDown: "down", ArrowUp: "up" };
/** The characters that the `/` key types, also with a Chinese input method and in full width. */
const SLASHES = "/／、";
/** Actions that a held key may repeat. */
const REPEATED = new Set(["down", "up"]);

/** @typedef {Pick<KeyboardEvent, "key" | "code" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey" | "repeat">} Press */

/** Returns the Latin letter of a key press in upper case, or "". @param {Pick<Press, "key" | "code">} press */
export function letterOf({ key, code }) {
  const typed = key.normalize("NFKC").toUpperCase();
  if (/^[A-Z]$/.test(typed)) return typed;
  // Use the position of the key: Alt on a Mac types a symbol, and Cyrillic or Greek layouts have other letters.
  return /^Key([A-Z])$/.exec(code)?.[1] ?? "";
}

/** Tells whether a key, pressed alone, would type a character. @param {Press} press */
export function isPrintable({ key, ctrlKey, metaKey, altKey }) {
  return !ctrlKey && !metaKey && !altKey && [...key].length === 1;
}

/** Tells whether a message begins with a slash and so asks for a canned reply. @param {string} text */
export function isReplyCall(text) {
  return SLASHES.includes(text.slice(0, 1)) && text !== "";
}

/**
 * @param {Press} press
 * @param {{isWriting: boolean, isInSuggestions: boolean, movesByArrows: boolean, hasLetters: boolean}} where
 *   `isInSuggestions`: the focus is in the list of suggestions; `movesByArrows`: the focused element uses the arrows
 *   itself; `hasLetters`: letters alone are shortcuts
 * @returns {string} the name of the action, or ""
 */
export function actionOf(press, where) {
  const name = press.altKey ? withAlt(press) : alone(press, where);
  return press.repeat && !REPEATED.has(name) ? "" : name;
}

/** @param {Press} press */
function withAlt(press) {
  if (press.shiftKey) return "";
  // Ignore the numeric keypad: with Alt, Windows enters characters by their codes there.
  const digit = /^Digit([1-3])$/.exec(press.code)?.[1];
  return digit ? `point-${digit}` : (ARROWS[press.key] ?? LETTERS[letterOf(press)] ?? "");
}

/** @param {Press} press @param {Parameters<typeof actionOf>[1]} where */
function alone(press, { isWriting, isInSuggestions, movesByArrows, hasLetters }) {
  if (isWriting) return "";
  const typed = press.key.normalize("NFKC");
  if (isInSuggestions && /^[1-3]$/.test(typed)) return `point-${typed}`;
  if (press.key in ARROWS) return press.shiftKey || movesByArrows ? "" : ARROWS[press.key];
  if (!hasLetters) return "";
  if (typed === "?") return "keys";
  if (SLASHES.includes(press.key)) return "replies";
  return press.shiftKey ? "" : (LETTERS[letterOf(press)] ?? "");
}
