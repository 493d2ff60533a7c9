/** The agent's workload, and why the agent cannot take a conversation now. Pure functions; the server decides by the same rules. */

import { serverNow } from "../server-clock.js";
import { isRestricted, isUrgent, mayTake, mine, offers, policyOf, waiting } from "./state.js";

/** @import { Row } from "../../chat/frames.d.ts" */
/** @import { ConsoleState } from "./types.d.ts" */

/** Why the agent cannot take a conversation: a key of the UI strings, or "". @typedef {"" | "not_online" | "barred_everywhere"
 *   | "waiting_barred" | "at_capacity" | "push_only" | "not_first" | "offered_elsewhere"} Obstacle */

/**
 * Returns the agent's load, in total and by department, the number of sleeping conversations, and the capacity. A
 * conversation sleeps while the agent waits for the customer's reply for longer than the department's `sleep_minutes`; it
 * does not count towards the load.
 *
 * @param {ConsoleState} state
 * @param {number} [now] the server's time in ms
 */
export function workload(state, now = serverNow()) {
  const own = mine(state).filter((row) => row.status !== "closed");
  const awake = [...own.filter((row) => !isAsleep(state, row, now)), ...offers(state)];
  /** @type {Record<string, number>} */
  const byDepartment = {};
  for (const { department } of awake) byDepartment[department] = (byDepartment[department] ?? 0) + 1;
  const sleeping = own.length + offers(state).length - awake.length;
  return { load: awake.length, byDepartment, sleeping, capacity: state.me.capacity };
}

/** @param {ConsoleState} state @param {Row} row @param {number} now */
function isAsleep(state, row, now) {
  if (row.status !== "active" || row.unanswered_since || !row.last_message_at) return false;
  return now - Date.parse(row.last_message_at) > policyOf(state, row.department).sleep_minutes * 60_000;
}

/**
 * Returns for how many more seconds the router gives the agent no conversation, because the last one came only just now.
 *
 * @param {ConsoleState} state
 * @param {number} [now] in ms of `performance.now()`
 */
export function pauseSeconds(state, now = performance.now()) {
  const routed = state.me.departments.map((id) => policyOf(state, id)).filter((policy) => policy.mode !== "pull");
  const longest = Math.max(0, ...routed.map((policy) => policy.pause_seconds));
  return Math.max(0, Math.ceil(longest - (now - state.lastAssignedAt) / 1000));
}

/** Returns why the agent cannot take the next conversation of the queue. @param {ConsoleState} state @returns {Obstacle} */
export function obstacleToNext(state) {
  const { me } = state;
  if (!isReady(state)) return "not_online";
  if (!mayTake(state)) return "barred_everywhere";
  const isPushOnly = me.departments.length > 0 && me.departments.every((id) => policyOf(state, id).mode === "push");
  if (isPushOnly && !me.may_choose) return "push_only";
  const { load, capacity } = workload(state);
  return load >= capacity ? "at_capacity" : "";
}

/** Returns why the agent cannot take this waiting conversation. @param {ConsoleState} state @param {Row} row @returns {Obstacle} */
export function obstacleTo(state, row) {
  if (state.me.may_choose) return "";
  if (isRestricted(state, row)) return "waiting_barred";
  if (!isReady(state)) return "not_online";
  if (row.offered_to && row.offered_to !== state.me.id) return "offered_elsewhere";
  if (isUrgent(row)) return "";
  const policy = policyOf(state, row.department);
  if (policy.mode === "push") return "push_only";
  const { load, byDepartment, capacity } = workload(state);
  if (load >= capacity || (byDepartment[row.department] ?? 0) >= (policy.capacity ?? capacity)) return "at_capacity";
  const first = waiting(state).find((other) => !isRestricted(state, other) && !other.offered_to && !other.visitor_away_since);
  return first?.id === row.id ? "" : "not_first";
}

/** @param {ConsoleState} state */
function isReady({ presence }) {
  return presence === "online" || presence === "busy";
}
