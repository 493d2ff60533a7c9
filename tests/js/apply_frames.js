/** Applies frames to an initial state with the console's own reducer and prints the result, for tests/console/test_state.py.
 *
 * Standard input: a list of {first, opened, frames}, one for each screen; `opened` holds the server's answers to opening
 * conversations.
 */

import { readFileSync } from "node:fs";
import { apply, initialState, open, waitingCount } from "../../static/console/inbox/state.js";

/** @param {any} screen @returns {object} */
function outcome({ first, opened, frames }) {
  let state = initialState(first);
  for (const answer of opened) state = open(state, answer);
  for (const frame of frames) state = apply(state, frame);
  const { rows, threads, presence } = state;
  return { rows, threads, presence, waiting_count: waitingCount(state) };
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(outcome)));
