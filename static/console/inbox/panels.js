/** What the server draws beside the conversation: the customer's card, and today's load in the top bar. */

import { fragment } from "../requests.js";

const AGAIN_MS = 5000;

/** Keeps the card that of the customer before the agent. @param {import("./store.js").Store} store */
export function followCard(store) {
  const place = /** @type {HTMLElement} */ (document.getElementById("card-body"));
  const empty = /** @type {HTMLElement} */ (document.getElementById("card-empty"));
  let drawn = "";
  let whose = "";
  store.subscribe(() => {
    const { row, current } = store;
    // It is asked for anew when one of these has changed.
    const wanted = row && current ? [current, row.status, row.level, row.visitor_name, row.rating].join() : "";
    if (wanted === drawn) return;
    drawn = wanted;
    empty.hidden = Boolean(wanted);
    // The same customer's card stays until the new one has come: nothing jumps.
    if (whose !== current) place.replaceChildren();
    whose = current;
    if (wanted) void draw(current, wanted);
  });

  /** @param {string} id @param {string} wanted */
  async function draw(id, wanted) {
    const isWanted = () => drawn === wanted;
    const hadFocus = place.contains(document.activeElement);
    const isThere = await fragment(`conversations/${id}/card`, "#card-body", { isWanted });
    if (hadFocus && isThere && !place.contains(document.activeElement)) document.getElementById("card")?.focus();
    // The server was away: as long as the same card is wanted, it is asked for again.
    if (!isThere && isWanted()) setTimeout(() => isWanted() && draw(id, wanted), AGAIN_MS);
  }
}

// A page that is open over midnight counts the new day.
document.addEventListener("day-changed", drawToday);

export function drawToday() {
  void fragment("today", "#today", { swapStyle: "outerHTML" });
}
