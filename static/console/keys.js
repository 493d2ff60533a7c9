/** Keys for everything. A letter alone acts only where nothing is being written; with Alt it acts everywhere. */

/** @type {Record<string, string>} what a key does, by its place on the keyboard */
const DOES = {
  KeyN: "next",
  KeyJ: "down",
  ArrowDown: "down",
  KeyK: "up",
  ArrowUp: "up",
  KeyG: "longest",
  KeyR: "write",
  KeyT: "transfer",
  KeyM: "note",
  KeyC: "close",
  KeyU: "card",
  KeyF: "search",
  KeyS: "points",
  KeyP: "presence",
};

/** @param {Record<string, () => void>} actions by the names of DOES, and "replies" and "keys" */
export function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey) return;
    if (document.querySelector("dialog[open]") || document.querySelector("[popover]:popover-open")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const isWriting = target.matches("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && isWriting) {
      target.blur();
      document.getElementById("log")?.focus();
      return;
    }
    const name = nameOf(event, isWriting, target);
    if (!name) return;
    event.preventDefault();
    actions[name]();
  });
}

/** @param {KeyboardEvent} event @param {boolean} isWriting @param {HTMLElement} target @returns {string} */
function nameOf(event, isWriting, target) {
  // Also of the number pad; with Alt while something is written.
  const digit = /^(?:Digit|Numpad)([1-3])$/.exec(event.code)?.[1];
  if (event.altKey) return event.shiftKey ? "" : digit ? `point-${digit}` : (DOES[event.code] ?? "");
  if (isWriting) return "";
  if (digit && !event.shiftKey) return `point-${digit}`;
  if (event.key === "?" || event.key === "？") return "keys";
  if (event.key === "/") return "replies";
  // Arrows alone scroll what was said, and move in menus.
  if (event.shiftKey || (event.code.startsWith("Arrow") && target.closest("#log, [role=menu]"))) return "";
  return DOES[event.code] ?? "";
}
