/** Finds what a frame changes for the agent besides the lists: a conversation gained or lost, an offer that has ended. Pure. */

import { isOffer } from "./state.js";

/** @import { Row, ServerToConsole } from "../../chat/frames.d.ts" */
/** @import { ConsoleState } from "./types.d.ts" */

/**
 * @typedef {object} Change
 * @property {"gained" | "lost" | "offer_expired" | "offer_taken" | "offer_withdrawn" | "offer_left"} kind
 * @property {Row} row the conversation afterwards, or before if the server no longer lists it
 */

/**
 * Returns the changes that a frame makes to this state. A frame that arrives twice changes nothing the second time.
 *
 * @param {ConsoleState} state before the frame
 * @param {ServerToConsole} frame
 * @param {number} now the server's time in ms
 * @returns {Change[]}
 */
export function changesOf(state, frame, now) {
  if (frame.kind === "conversation") return changesOfRow(state, frame.row, now);
  if (frame.kind !== "welcome") return [];
  const listed = new Set(frame.rows.map((row) => row.id));
  const missing = Object.values(state.rows).filter((row) => !listed.has(row.id));
  return [
    ...frame.rows.flatMap((row) => changesOfRow(state, row, now)),
    ...missing.flatMap((row) => (isOwn(state, row) ? change("lost", row) : isOffer(state, row) ? change("offer_left", row) : [])),
  ];
}

/** @param {ConsoleState} state @param {Row} row @param {number} now @returns {Change[]} */
function changesOfRow(state, row, now) {
  const known = state.rows[row.id];
  if (known && row.revision < known.revision) return [];
  if (isOwn(state, row)) return isOwn(state, known) ? [] : change("gained", row);
  if (isOwn(state, known)) return row.status === "active" || row.status === "waiting" ? change("lost", row) : [];
  if (!isOffer(state, known) || isOffer(state, row)) return [];
  if (row.status === "active") return change("offer_taken", row);
  if (row.status !== "waiting") return change("offer_left", row);
  return change(now >= Date.parse(known.offered_until ?? "") - 500 ? "offer_expired" : "offer_withdrawn", row);
}

/** Tells whether the conversation is active and the agent's own. @param {ConsoleState} state @param {Row | undefined} row */
function isOwn({ me }, row) {
  return row?.status === "active" && row.agent?.id === me.id;
}

/** @param {Change["kind"]} kind @param {Row} row @returns {Change[]} */
function change(kind, row) {
  return [{ kind, row }];
}
