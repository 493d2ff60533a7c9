/** The emoji picker: a small choice that suits a bank. */

const EMOJI = [..."😊🙂😄🤝👍🙏👌🌷🎉❤️😌😔😥🤔👀✅❗❓⏳☎️💳🏦📄🌙☀️☕"].filter((character) => character !== "\ufe0f");

/** @param {(emoji: string) => void} onChosen @returns {() => void} a function that opens or closes the picker */
export function emojiList(onChosen) {
  const list = /** @type {HTMLElement} */ (document.getElementById("emoji-list"));
  const button = /** @type {HTMLElement} */ (document.querySelector("[data-do=emoji]"));
  for (const emoji of EMOJI) {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.textContent = emoji;
    choice.onclick = () => {
      onChosen(emoji);
      show(false);
    };
    list.append(choice);
  }
  list.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    button.focus();
    show(false);
  };
  list.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && relatedTarget !== button && !list.contains(relatedTarget)) show(false);
  });
  /** @param {boolean} isShown */
  function show(isShown) {
    list.hidden = !isShown;
    button.ariaExpanded = String(isShown);
  }
  return () => {
    show(!!list.hidden);
    if (!list.hidden) /** @type {HTMLElement} */ (list.firstElementChild).focus();
  };
}
