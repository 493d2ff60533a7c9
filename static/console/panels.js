/** What the server draws beside the conversation: the customer's card, and today's load in the top bar. */

import { fragment } from "./requests.js";

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
    const isWanted = () => drawn === wanted;
    if (wanted) void fragment(`conversations/${current}/card`, "#card-body", { isWanted });
  });
}

// A page that is open over midnight counts the new day.
document.addEventListener("day-changed", drawToday);

export function drawToday() {
  void fragment("today", "#today", { swapStyle: "outerHTML" });
}
