/** Rows and states of the console for tests. The agent is `MEI` of department 7. */

import { initialState } from "../../static/console/inbox/state.js";

/** @import { Row } from "../../static/chat/frames.d.ts" */
/** @import { ConsoleInitialState, Policy } from "../../static/console/inbox/types.d.ts" */

export const MEI = { id: 1, name: "林梅", name_en: "Mei Lin", number: "1001" };
export const HAO = { id: 2, name: "陈浩", name_en: "Hao Chen", number: "1002" };
/** @type {ConsoleInitialState["me"]} */
export const ME = { id: 1, number: "1001", sees_all: false, may_choose: false, departments: [7], barred: [], capacity: 8 };
/** The fields of an active conversation of `MEI`. */
export const ACTIVE = { status: "active", agent: MEI };
/** @type {Policy} */
export const PULL = { mode: "pull", offer_seconds: 20, pause_seconds: 0, sleep_minutes: 5, capacity: null };

/** @param {string} id @param {Partial<Row>} [fields] @returns {Row} */
export function row(id, fields = {}) {
  const time = "2026-11-23T01:00:00.000Z";
  return {
    id, revision: 1, status: "waiting", department: 7, agent: null, visitor_name: "", level: "anonymous", language: "zh",
    subject: "", priority: 0, last_seq: 0, unread: 0, excerpt: "", started_at: time, waiting_since: time,
    unanswered_since: null, last_message_at: null, ended_by: "", visitor_received: 0, visitor_read: 0, agent_received: 0,
    agent_read: 0, rating: null, queue_time: time, emergency: "", emergency_reason: "", skill: null, offered_to: null,
    offered_until: null, visitor_away_since: null, ...fields,
  };
}

/** @param {Row[]} rows @param {number} [count] length of the queue @param {Partial<ConsoleInitialState>} [fields] */
export function state(rows, count = rows.filter((item) => item.status === "waiting").length, fields = {}) {
  return initialState({
    me: ME, departments: {}, skills: {}, policies: { 7: PULL, 8: PULL }, rows, waiting_count: count, presence: "online",
    seconds_since_assignment: null, presence_reason: "", open: "", ...fields,
  });
}
