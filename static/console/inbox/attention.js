/** Finds what needs the agent's attention: emergencies, offers, conversations gained or lost, long waits, unread messages. Pure. */

import { isRestricted, mine, offers, policyOf, waiting } from "./state.js";

/** @import { Person, Row } from "../../chat/frames.d.ts" */
/** @import { ConsoleState } from "./types.d.ts" */

/** @typedef {"emergency" | "offer" | "gained" | "lost" | "waiting" | "unread"} AttentionKind */

/**
 * Something that needs attention. An alert with a new `key` is reported at once. `by` is the person who reassigned the
 * conversation, null for the router.
 *
 * @typedef {{key: string, kind: AttentionKind, row: Row, by?: Person | null}} Attention
 */

/** The kinds, the most urgent first. @type {AttentionKind[]} */
export const KINDS = ["emergency", "offer", "gained", "lost", "waiting", "unread"];

/**
 * Returns everything that needs attention, the most urgent first.
 *
 * @param {ConsoleState} state
 * @param {{reassignments: Attention[], seen: Readonly<Record<string, unknown>>, waitingSeconds: number, now: number}} options
 *   `reassignments`: conversations gained and lost; `seen`: ids of waiting conversations that the agent has noticed;
 *   `waitingSeconds`: a longer wait needs attention; `now`: the server's time in ms
 * @returns {Attention[]}
 */
export function attentionFor(state, { reassignments, seen, waitingSeconds, now }) {
  const isLate = (/** @type {Row} */ row) => now - Date.parse(row.waiting_since) >= waitingSeconds * 1000;
  // Supervisors also see to conversations that the router cannot give away.
  const watched = state.me.sees_all ? ownQueue(state) : takeable(state);
  const queue = state.presence === "online" ? watched : [];
  const longWaiting = queue.filter((row) => !(row.id in seen) && isLate(row));
  const unread = mine(state).filter((row) => row.unread > 0 && row.status === "active");
  return [
    ...unconfirmed(state).map((row) => attention("emergency", row)),
    ...offers(state).map((row) => attention("offer", row, row.offered_until ?? "")),
    ...KINDS.flatMap((kind) => reassignments.filter((reassignment) => reassignment.kind === kind)),
    ...longWaiting.map((row) => attention("waiting", row)),
    ...unread.sort(compareLatest).map((row) => attention("unread", row)),
  ];
}

/**
 * Tells whether a kind must not be reported now. During a break only emergencies are, and only to supervisors.
 *
 * @param {AttentionKind} kind
 * @param {ConsoleState} state
 */
export function isMuted(kind, { presence, me }) {
  return presence === "break" && !(kind === "emergency" && me.sees_all);
}

/** Returns the waiting conversations of the agent's departments that somebody must take by hand. @param {ConsoleState} state */
export function takeable(state) {
  return ownQueue(state).filter((row) => policyOf(state, row.department).mode === "pull");
}

/** Returns the waiting conversations of the agent's departments that are offered to nobody. @param {ConsoleState} state */
function ownQueue(state) {
  const isOwn = (/** @type {Row} */ row) => state.me.departments.includes(row.department) && !isRestricted(state, row);
  return waiting(state).filter((row) => isOwn(row) && !row.offered_to);
}

/** Returns the emergencies that no supervisor has confirmed, for supervisors of their department. @param {ConsoleState} state */
function unconfirmed({ rows, me }) {
  const raised = Object.values(rows).filter((row) => row.emergency === "raised" && ["waiting", "active"].includes(row.status));
  return raised.filter((row) => me.sees_all && (!me.departments.length || me.departments.includes(row.department)));
}

/** @param {AttentionKind} kind @param {Row} row @param {string} [version] @returns {Attention} */
function attention(kind, row, version = "") {
  return { key: [kind, row.id, version].join("."), kind, row };
}

/** @param {Row} one @param {Row} other */
function compareLatest(one, other) {
  return (one.last_message_at ?? "") > (other.last_message_at ?? "") ? -1 : 1;
}
