/** The section after a conversation has ended: rating, transcript, and a new conversation. Also the End button. */

import { lengthOf } from "../chat/character-count.js";
import { byId, fillForm, setText } from "../chat/dom.js";

/** @import { UiStrings } from "../chat/ui-strings.js" */
/** @import { Files } from "./files.js" */
/** @import { Session } from "./session.js" */

const MAX_COMMENT_CHARACTERS = 500;

export class AfterChat {
  #session;
  #strings;
  #rating = /** @type {HTMLFormElement} */ (byId("rating"));
  #submit = /** @type {HTMLButtonElement} */ (this.#rating.querySelector("[type=submit]"));

  /**
   * @param {Session} session
   * @param {Files} files
   * @param {UiStrings} strings
   */
  constructor(session, files, strings) {
    this.#session = session;
    this.#strings = strings;
    const comment = /** @type {HTMLTextAreaElement} */ (byId("comment"));
    const stars = [...this.#rating.querySelectorAll("label:has(input)")];
    this.#rating.onchange = () => {
      const score = Number(new FormData(this.#rating).get("score"));
      stars.forEach((star, index) => star.classList.toggle("lit", index < score));
      setText(byId("said"), stars[score - 1]?.getAttribute("title") ?? "");
      byId("more").hidden = !score;
      byId("scroll").scrollTop = byId("scroll").scrollHeight;
    };
    this.#rating.oninput = () => {
      const typed = Object.fromEntries(new FormData(this.#rating));
      session.storage.set("rating", { ...typed, id: session.conversation.id });
    };
    this.#rating.onsubmit = (event) => {
      event.preventDefault();
      if (this.#submit.disabled) return;
      if (lengthOf(comment.value.trim()) > MAX_COMMENT_CHARACTERS) {
        session.refuse(strings.too_long);
        return session.onChange();
      }
      this.#submit.disabled = true;
      const score = Number(new FormData(this.#rating).get("score"));
      session.request({ kind: "rate", score, comment: comment.value.trim() });
    };
    byId("again").onclick = () => session.conversation.isEnded && session.restart();
    byId("transcript").onclick = () => files.saveTranscript();
    const sure = /** @type {HTMLDialogElement} */ (byId("sure"));
    byId("end").onclick = () => sure.open || sure.showModal();
    sure.onclose = () => {
      if (sure.returnValue === "end") session.request({ kind: "end" });
      sure.returnValue = "";
    };
  }

  draw() {
    const { storage, conversation } = this.#session;
    const { id, state, isEnded } = conversation;
    if (byId("ending").hidden && isEnded) {
      this.#rating.reset();
      const typed = storage.get("rating");
      if (typed?.id === id) fillForm(this.#rating, typed);
      this.#rating.dispatchEvent(new Event("change"));
    }
    byId("ending").hidden = !isEnded;
    const isRated = state?.rating != null;
    if (isRated) storage.set("rating", null);
    // Enable the button if the rating was answered or may have been lost with the connection.
    if (isRated || this.#session.refusal || this.#session.status !== "open") this.#submit.disabled = false;
    this.#rating.hidden = !state?.agent || isRated;
    setText(byId("thanks"), isEnded && isRated ? this.#strings.thanks : "");
  }
}
