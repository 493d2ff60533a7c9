/** What the server draws beside the conversation: the customer's card, and today's load in the top bar. */

import { BASE } from "./requests.js";

/** Keeps the card that of the customer before the agent. @param {import("./store.js").Store} store */
export function followCard(store) {
  const place = /** @type {HTMLElement} */ (document.getElementById("card-body"));
  const empty = /** @type {HTMLElement} */ (document.getElementById("card-empty"));
  let drawn = "";
  store.subscribe(() => {
    const { row, current } = store;
    // It is asked for anew when one of these has changed.
    const wanted = row && current ? [current, row.status, row.level, row.visitor_name, row.rating].join() : "";
    if (wanted === drawn) return;
    drawn = wanted;
    empty.hidden = Boolean(wanted);
    if (wanted) void htmx.ajax("GET", `${BASE}conversations/${current}/card`, "#card-body");
    else place.replaceChildren();
  });
}

export function drawToday() {
  void htmx.ajax("GET", `${BASE}today`, { target: "#today", swap: "outerHTML" });
}
