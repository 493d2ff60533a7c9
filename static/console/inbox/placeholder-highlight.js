/** The layer behind the composer's text that marks what stands in braces; a text area cannot. */

import { placesIn } from "./canned-replies.js";

export class Mirror {
  #place = /** @type {HTMLElement} */ (document.getElementById("mirror"));

  /** @param {HTMLTextAreaElement} body */
  constructor(body) {
    body.addEventListener("scroll", () => (this.#place.scrollTop = body.scrollTop));
  }

  /** @param {string} text */
  draw(text) {
    const pieces = [];
    let from = 0;
    for (const place of placesIn(text)) {
      const mark = document.createElement("mark");
      mark.textContent = place.text;
      pieces.push(text.slice(from, place.start), mark);
      from = place.end;
    }
    this.#place.replaceChildren(...pieces, `${text.slice(from)}\n`);
  }
}
