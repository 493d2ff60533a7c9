/** Data that the page requests again while it is open: the visitor's card, today's figures, and the agent's settings. */

import { byId } from "../../chat/dom.js";
import { fragment, get } from "../requests.js";

/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { Store } from "./store.js" */
/** @import { ConsoleState } from "./types.d.ts" */

const RETRY_MS = 5000;
const SETTINGS_INTERVAL_MS = 30_000;

/** Shows the card of the visitor whose conversation is open. @param {Store} store */
export function followCard(store) {
  const container = byId("card-body");
  const empty = byId("card-empty");
  let drawnKey = "";
  let drawnConversation = "";
  store.subscribe(() => {
    const { row, current } = store;
    // Fetch the card again when one of these has changed.
    const parts = row && [current, row.status, row.agent?.id, row.level, row.visitor_name, row.rating];
    const wantedKey = parts && current ? parts.join() : "";
    if (wantedKey === drawnKey) return;
    drawnKey = wantedKey;
    empty.hidden = Boolean(wantedKey);
    // Keep the same visitor's card until the new one has arrived, so that the layout does not jump.
    if (drawnConversation !== current) container.replaceChildren();
    drawnConversation = current;
    if (wantedKey) void draw(current, wantedKey);
  });

  /** @param {string} id @param {string} wantedKey */
  async function draw(id, wantedKey) {
    const isWanted = () => drawnKey === wantedKey;
    const hadFocus = container.contains(document.activeElement);
    const isShown = await fragment(`conversations/${id}/card`, "#card-body", { isWanted });
    if (hadFocus && isShown && !container.contains(document.activeElement)) document.getElementById("card")?.focus();
    // The server did not answer: retry as long as this card is wanted.
    if (!isShown && isWanted()) setTimeout(() => isWanted() && draw(id, wantedKey), RETRY_MS);
  }
}

// A page that is open past midnight must show the new day's figures.
document.addEventListener("day-changed", drawToday);

/** Keeps the agent's capacity and the routing policies up to date: supervisors change them at any time. @param {Store} store */
export function followSettings(store) {
  const load = async () => {
    /** @type {ConsoleAnswer<Pick<ConsoleState, "me" | "policies">>} */
    const answer = await get("agent-settings");
    if (answer.ok) store.refresh(answer.data);
  };
  setInterval(() => void load(), SETTINGS_INTERVAL_MS);
}

export function drawToday() {
  void fragment("today", "#today", { swapStyle: "outerHTML" });
}
