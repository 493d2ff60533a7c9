/**
 * The setting that lets a single letter work as a shortcut. WCAG 2.1.4 requires that people can switch this off. A letter
 * with Alt always works.
 */

const STORAGE_KEY = "lianxin.letters";

/** @returns {boolean} */
export function hasLetters() {
  return document.documentElement.dataset.letters !== "off";
}

/** @param {boolean} isOn */
export function setLetters(isOn) {
  document.documentElement.dataset.letters = isOn ? "on" : "off";
  try {
    if (isOn) localStorage.removeItem(STORAGE_KEY);
    else localStorage.setItem(STORAGE_KEY, "off");
  } catch {
    // Storage is blocked: the setting lasts only as long as the page is open.
  }
}

/** Applies the setting stored on this computer, also when another tab changed it. */
function readLetters() {
  try {
    document.documentElement.dataset.letters = localStorage.getItem(STORAGE_KEY) ?? "on";
  } catch {
    document.documentElement.dataset.letters = "on";
  }
}

readLetters();
addEventListener("storage", ({ key }) => key === STORAGE_KEY && readLetters());
