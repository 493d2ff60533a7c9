/** Whether letters alone are shortcuts: everybody may switch that off (WCAG 2.1.4). With Alt they work all the same. */

const NAME = "lianxin.letters";

/** @returns {boolean} */
export function hasLetters() {
  return document.documentElement.dataset.letters !== "off";
}

/** @param {boolean} isOn */
export function setLetters(isOn) {
  document.documentElement.dataset.letters = isOn ? "on" : "off";
  try {
    if (isOn) localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, "off");
  } catch {
    // Blocked: it lasts as long as the page.
  }
}

/** Takes over what was chosen on this computer, here and in other tabs. */
function readLetters() {
  try {
    document.documentElement.dataset.letters = localStorage.getItem(NAME) ?? "on";
  } catch {
    document.documentElement.dataset.letters = "on";
  }
}

readLetters();
addEventListener("storage", ({ key }) => key === NAME && readLetters());
