/** The top bar's truth: is the line up, what is not sent, what am I. */

import { fill } from "../../chat/ui-strings.js";
import { Alerts } from "./alerts.js";
import { post } from "../requests.js";

const PATIENCE_MS = 1500;

export class Line {
  #words;
  #outboxes;
  /** @type {SocketStatus} */
  #status = "connecting";
  #lostAt = 0;

  /**
   * @param {import("./store.js").Store} store
   * @param {{words: ChatWords, outboxes: () => import("./outboxes.js").Outboxes}} options
   */
  constructor(store, { words, outboxes }) {
    this.#words = words;
    this.#outboxes = outboxes;
    store.subscribe((state) => drawPresence(state.presence));
    setInterval(() => this.draw(), 500);
    const menu = /** @type {HTMLFormElement} */ (document.getElementById("presences"));
    let isChanging = false;
    menu.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (isChanging) return;
      isChanging = true;
      Alerts.ask();
      const status = /** @type {HTMLButtonElement} */ (event.submitter).value;
      const data = new FormData();
      data.set("status", status);
      menu.hidePopover();
      const answer = await post("presence", data);
      isChanging = false;
      if (answer.ok) store.dispatch({ kind: "presence", staff: store.state.me.id, status: answer.data.presence });
      else toast(answer.refused?.words ?? words.offline_write);
    });
  }

  /** @param {SocketStatus} status */
  change(status) {
    // "connecting" after a loss is a part of the loss.
    if (status === "open") {
      if (this.#isLost) toast(this.#words.recovered);
      this.#lostAt = 0;
    }
    if (status === "lost" && !this.#lostAt) this.#lostAt = performance.now();
    if (this.#status !== "ended") this.#status = status;
    this.draw();
  }

  /** Signed out, or the right to be here has ended. */
  end() {
    this.#status = "ended";
    this.draw();
  }

  /** Long enough for the bar to say so. */
  get #isLost() {
    return this.#lostAt > 0 && performance.now() - this.#lostAt > PATIENCE_MS;
  }

  draw() {
    const words = this.#words;
    const shown = this.#status === "connecting" && this.#lostAt ? "lost" : this.#status;
    const line = byId("line");
    if (line.dataset.status !== shown) {
      line.dataset.status = shown;
      const place = /** @type {HTMLElement} */ (line.querySelector(".line-words"));
      place.textContent = words[shown];
    }
    const isLost = this.#isLost;
    const count = isLost ? this.#outboxes().unsent : this.#outboxes().late;
    let said = "";
    if (this.#status === "ended") said = words.ended_bar;
    else if (isLost) said = count ? fill(words.lost_unsent_bar, { count }) : words.lost_bar;
    else if (count) said = fill(words.unsent_bar, { count });
    const notice = byId("notice");
    if (byId("notice-words").textContent !== said) byId("notice-words").textContent = said;
    notice.hidden = !said;
    const link = /** @type {HTMLAnchorElement} */ (byId("notice-link"));
    link.hidden = this.#status !== "ended";
    if (!link.hidden) link.search = new URLSearchParams({ next: location.pathname }).toString();
  }
}

/** A word at the foot of the screen that goes by itself. @param {string} words */
export function toast(words) {
  const element = document.createElement("p");
  element.className = "toast";
  element.textContent = words;
  byId("toasts").append(element);
  setTimeout(() => element.remove(), 5000);
}

/** @param {string} presence */
function drawPresence(presence) {
  const place = byId("presence");
  if (place.dataset.status === presence) return;
  place.dataset.status = presence;
  for (const button of byId("presences").querySelectorAll("button")) {
    button.ariaPressed = String(button.value === presence);
    if (button.value !== presence) continue;
    /** @type {HTMLElement} */ (place.querySelector(".presence-words")).textContent = button.textContent;
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
