/** After the chat: how it was, the transcript to keep, and a new beginning. */

import { lengthOf } from "../chat/character-count.js";
import { by, fillForm, write } from "./elements.js";

const LONGEST_COMMENT = 500;

export class Ending {
  #session;
  #words;
  #rating = /** @type {HTMLFormElement} */ (by("rating"));
  #submit = /** @type {HTMLButtonElement} */ (this.#rating.querySelector("[type=submit]"));

  /**
   * @param {import("./session.js").Session} session
   * @param {import("./files.js").Files} files
   * @param {ChatWords} words
   */
  constructor(session, files, words) {
    this.#session = session;
    this.#words = words;
    const comment = /** @type {HTMLTextAreaElement} */ (by("comment"));
    const stars = [...this.#rating.querySelectorAll("label:has(input)")];
    this.#rating.onchange = () => {
      const score = Number(new FormData(this.#rating).get("score"));
      stars.forEach((star, index) => star.classList.toggle("lit", index < score));
      write("said", stars[score - 1]?.getAttribute("title") ?? "");
      by("more").hidden = !score;
      by("scroll").scrollTop = by("scroll").scrollHeight;
    };
    this.#rating.oninput = () => {
      const typed = Object.fromEntries(new FormData(this.#rating));
      session.memory.set("rating", { ...typed, id: session.conversation.id });
    };
    this.#rating.onsubmit = (event) => {
      event.preventDefault();
      if (this.#submit.disabled) return;
      if (lengthOf(comment.value.trim()) > LONGEST_COMMENT) {
        session.refuse(words.too_long);
        return session.onChange();
      }
      this.#submit.disabled = true;
      const score = Number(new FormData(this.#rating).get("score"));
      session.ask({ kind: "rate", score, comment: comment.value.trim() });
    };
    by("again").onclick = () => session.conversation.isEnded && session.restart();
    by("transcript").onclick = () => files.saveTranscript();
    const sure = /** @type {HTMLDialogElement} */ (by("sure"));
    by("end").onclick = () => sure.open || sure.showModal();
    sure.onclose = () => {
      if (sure.returnValue === "end") session.ask({ kind: "end" });
      sure.returnValue = "";
    };
  }

  draw() {
    const { memory, conversation } = this.#session;
    const { id, state, isEnded } = conversation;
    if (by("ending").hidden && isEnded) {
      this.#rating.reset();
      const typed = memory.get("rating");
      if (typed?.id === id) fillForm(this.#rating, typed);
      this.#rating.dispatchEvent(new Event("change"));
    }
    by("ending").hidden = !isEnded;
    const isRated = state?.rating != null;
    if (isRated) memory.set("rating", null);
    // It was answered, or may have been lost on the way.
    if (isRated || this.#session.refusal || this.#session.status !== "open") this.#submit.disabled = false;
    this.#rating.hidden = !state?.agent || isRated;
    write("thanks", isEnded && isRated ? this.#words.thanks : "");
  }
}
