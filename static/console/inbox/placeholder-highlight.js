/** Highlights placeholders in a layer behind the composer's text area, which cannot style its own text. */

import { byId } from "../../chat/dom.js";
import { placeholdersIn } from "./canned-replies.js";

export class Mirror {
  #layer = byId("mirror");

  /** @param {HTMLTextAreaElement} body */
  constructor(body) {
    body.addEventListener("scroll", () => (this.#layer.scrollTop = body.scrollTop));
  }

  /** @param {string} text */
  draw(text) {
    const nodes = [];
    let from = 0;
    for (const placeholder of placeholdersIn(text)) {
      const mark = document.createElement("mark");
      mark.textContent = placeholder.text;
      nodes.push(text.slice(from, placeholder.start), mark);
      from = placeholder.end;
    }
    this.#layer.replaceChildren(...nodes, `${text.slice(from)}\n`);
  }
}
