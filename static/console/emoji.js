/** A small choice of emoji that suit a bank's words. */

const EMOJI = [..."😊🙂😄🤝👍🙏👌🌷🎉❤️😌😔😥🤔👀✅❗❓⏳☎️💳🏦📄🌙☀️☕"].filter((each) => each !== "\ufe0f");

/** @param {(emoji: string) => void} onChosen @returns {() => void} opens or closes the list */
export function emojiList(onChosen) {
  const list = /** @type {HTMLElement} */ (document.getElementById("emoji-list"));
  const button = /** @type {HTMLElement} */ (document.querySelector("[data-do=emoji]"));
  for (const emoji of EMOJI) {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.textContent = emoji;
    choice.onclick = () => onChosen(emoji);
    list.append(choice);
  }
  return () => {
    list.hidden = !list.hidden;
    button.ariaExpanded = String(!list.hidden);
    if (!list.hidden) /** @type {HTMLElement} */ (list.firstElementChild).focus();
  };
}
