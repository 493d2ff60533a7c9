/** The status in the top bar: the connection, the number of unsent messages, and the agent's presence. */

import { isolated } from "../../chat/bidi.js";
import { byId, setText } from "../../chat/dom.js";
import { find } from "../find.js";
import { fill } from "../../chat/ui-strings.js";
import { Alerts } from "./alerts.js";
import { post } from "../requests.js";

/** @import { PresenceFrame } from "../../chat/frames.d.ts" */
/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { SocketStatus } from "../../chat/socket.js" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Outboxes } from "./outboxes.js" */
/** @import { Store } from "./store.js" */

/** A shorter loss of the connection is not shown. */
const SHOW_LOSS_AFTER_MS = 1500;

export class ConnectionStatus {
  #strings;
  #outboxes;
  /** @type {SocketStatus} */
  #status = "connecting";
  #lostAt = 0;

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, outboxes: () => Outboxes}} options
   */
  constructor(store, { strings, outboxes }) {
    this.#strings = strings;
    this.#outboxes = outboxes;
    store.subscribe((state) => drawPresence(state.presence));
    document.addEventListener("presence-set", (event) => this.#tellWhoSetIt(/** @type {CustomEvent} */ (event).detail));
    setInterval(() => this.draw(), 500);
    const menu = /** @type {HTMLFormElement} */ (byId("presences"));
    let isChanging = false;
    menu.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (isChanging) return;
      isChanging = true;
      Alerts.requestPermission();
      const status = /** @type {HTMLButtonElement} */ (event.submitter).value;
      const data = new FormData();
      data.set("status", status);
      menu.hidePopover();
      /** @type {ConsoleAnswer<{presence: string}>} */
      const answer = await post("presence", data);
      isChanging = false;
      if (answer.ok) store.dispatch({ kind: "presence", staff: store.state.me.id, status: answer.data.presence });
      else toast(answer.refused?.words ?? strings.offline_write);
    });
  }

  /** Says which supervisor has set the agent's presence. @param {PresenceFrame} frame */
  #tellWhoSetIt({ by = "", status }) {
    const button = byId("presences").querySelector(`[value="${CSS.escape(status)}"]`);
    toast(fill(this.#strings.presence_set, { name: isolated(by), presence: button?.textContent?.trim() ?? status }));
  }

  /** @param {SocketStatus} status */
  change(status) {
    // The status "connecting" does not end a loss: only "open" does.
    if (status === "open") {
      if (this.#isLost) toast(this.#strings.recovered);
      this.#lostAt = 0;
    }
    if (status === "lost" && !this.#lostAt) this.#lostAt = performance.now();
    if (this.#status !== "ended") this.#status = status;
    this.draw();
  }

  /** Shows that the session has ended: signed out, or access revoked. */
  end() {
    this.#status = "ended";
    this.draw();
  }

  /** Whether the connection has been lost long enough for the status to show it. */
  get #isLost() {
    return this.#lostAt > 0 && performance.now() - this.#lostAt > SHOW_LOSS_AFTER_MS;
  }

  draw() {
    const strings = this.#strings;
    const shown = this.#status === "connecting" && this.#lostAt ? "lost" : this.#status;
    const indicator = byId("connection");
    if (indicator.dataset.status !== shown) {
      indicator.dataset.status = shown;
      const element = find(indicator, ".connection-text");
      element.textContent = strings[shown];
    }
    const isLost = this.#isLost;
    const count = isLost ? this.#outboxes().unsent : this.#outboxes().late;
    let text = "";
    if (this.#status === "ended") text = strings.ended_bar;
    else if (isLost) text = count ? fill(strings.lost_unsent_bar, { count }) : strings.lost_bar;
    else if (count) text = fill(strings.unsent_bar, { count });
    const notice = byId("notice");
    setText(byId("notice-text"), text);
    notice.hidden = !text;
    const link = /** @type {HTMLAnchorElement} */ (byId("notice-link"));
    link.hidden = this.#status !== "ended";
    if (!link.hidden) link.search = new URLSearchParams({ next: location.pathname }).toString();
  }
}

/** Shows a message at the bottom of the screen for five seconds. @param {string} message */
export function toast(message) {
  const element = document.createElement("p");
  element.className = "toast";
  element.textContent = message;
  byId("toasts").append(element);
  setTimeout(() => element.remove(), 5000);
}

/** @param {string} presence */
function drawPresence(presence) {
  const element = byId("presence");
  if (element.dataset.status === presence) return;
  element.dataset.status = presence;
  for (const button of byId("presences").querySelectorAll("button")) {
    button.ariaPressed = String(button.value === presence);
    if (button.value !== presence) continue;
    find(element, ".presence-text").textContent = button.textContent;
  }
}
