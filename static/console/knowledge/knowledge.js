/** The knowledge pages: addresses in an answer become links, as in the box. */

import { make } from "../../chat/dom.js";
import { linkParts } from "../../chat/links.js";
import { storage } from "../inbox/drafts.js";

/** @param {HTMLElement} element whose text becomes what the box makes of it @param {string} text */
export function showAnswer(element, text) {
  element.replaceChildren(
    ...linkParts(text).map((part) => {
      if (!part.href) return part.text;
      const link = make("a", "", part.text);
      link.href = part.href;
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
      return link;
    }),
  );
}

/** Where the form of a point is kept until it is saved. @param {string} key "" for a new one @param {string} staff */
export function keptName(key, staff) {
  return `lianxin.point.${staff}.${key}`;
}

for (const element of document.querySelectorAll("[data-links]")) {
  if (element instanceof HTMLElement) showAnswer(element, element.textContent ?? "");
}

const page = document.getElementById("point");
if (page && location.hash === "#saved") {
  for (const key of [page.dataset.key ?? "", ""]) storage.session?.removeItem(keptName(key, page.dataset.staff ?? ""));
  history.replaceState(null, "", location.pathname + location.search);
}

document.querySelector("[data-sign-out]")?.addEventListener("submit", () => storage.forget());
