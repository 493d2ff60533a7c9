/** The emoji picker, with a few emoji that suit a bank. */

import { byId, makeButton } from "../../chat/dom.js";
import { find } from "../find.js";

const EMOJI = [..."😊🙂😄🤝👍🙏👌🌷🎉❤️😌😔😥🤔👀✅❗❓⏳☎️💳🏦📄🌙☀️☕"].filter((character) => character !== "\ufe0f");

/** @param {(emoji: string) => void} onChosen @returns {() => void} a function that opens or closes the picker */
export function emojiList(onChosen) {
  const list = byId("emoji-list");
  const button = find(document, "[data-do=emoji]");
  for (const emoji of EMOJI) {
    const choose = () => {
      onChosen(emoji);
      show(false);
    };
    list.append(makeButton(emoji, choose));
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
