/** The state of the console, and how each frame changes it. Pure functions: the tests apply the server's frames and
 * compare the result with a fresh state from the server. */

import { emptyThread, headOf, firstPageStart, withArrived, withNote, withPage } from "./threads.js";

/** @import { MessageFrame, Row, ServerToConsole } from "../../chat/frames.d.ts" */
/** @import { ConsoleInitialState, ConsoleState, ConsoleThread, OpenedThread, Policy } from "./types.d.ts" */

/** @param {ConsoleInitialState} initial what the page contains @returns {ConsoleState} */
export function initialState({ me, rows, waiting_count, presence, policies, ...initial }) {
  const seconds = initial.seconds_since_assignment;
  const lastAssignedAt = seconds === null ? -Infinity : performance.now() - seconds * 1000;
  const work = { presence, presenceReason: initial.presence_reason, policies, lastAssignedAt };
  /** @type {ConsoleState} */
  const empty = { me, ...work, rows: {}, unlistedCount: 0, isQueueUncertain: false, threads: {}, typing: {}, edition: 0 };
  return withLists(empty, rows, waiting_count);
}

/** @param {ConsoleState} state @param {ServerToConsole} frame @param {number} [now] ms @returns {ConsoleState} */
export function apply(state, frame, now = performance.now()) {
  switch (frame.kind) {
    case "welcome":
      return withPresence(withLists(state, frame.rows, frame.waiting_count), frame.presence);
    case "conversation": {
      const after = withRow(state, frame.row, frame.listed);
      const isNew = isAssigned(after, after.rows[frame.row.id]) && !isAssigned(state, state.rows[frame.row.id]);
      return isNew ? { ...after, lastAssignedAt: now } : after;
    }
    case "message":
      return withMessage(state, frame);
    case "messages":
      return withThread(state, frame.conversation, (thread) => withPage(thread, frame.messages));
    case "note":
      return withThread(state, frame.conversation, (thread) => withNote(thread, frame));
    case "knowledge":
      return { ...state, edition: Math.max(state.edition, frame.edition) };
    case "presence":
      return frame.staff === state.me.id ? withPresence(state, frame.status, frame.reason) : state;
    case "is_typing":
      return { ...state, typing: { ...state.typing, [frame.conversation]: now + 6000 } };
    default:
      return state;
  }
}

/**
 * Adds the thread that the server returned when a conversation was opened.
 *
 * @param {ConsoleState} state
 * @param {OpenedThread} answer
 * @param {number} [wanted] a seq that must be on the first page
 */
export function open(state, { row, notes, values, messages }, wanted = row.last_seq) {
  const known = state.threads[row.id];
  const after = messages ? 0 : firstPageStart(row.last_seq, wanted);
  let thread = known
    ? notes.reduce(withNote, { ...known, row: newest(row, known.row), values })
    : emptyThread({ row, notes, values, after });
  if (messages) thread = withPage(thread, messages.messages);
  return { ...state, threads: { ...state.threads, [row.id]: thread } };
}

/** Returns the agent's own conversations, active or in wrap-up, emergencies first. @param {ConsoleState} state */
export function mine(state) {
  return urgentFirst(Object.values(state.rows).filter((row) => isAssigned(state, row)));
}

/** Tells whether the conversation is the agent's own. @param {ConsoleState} state @param {Row | undefined} row */
function isAssigned({ me }, row) {
  return row?.agent?.id === me.id && row.status !== "waiting";
}

/** Tells whether the conversation is an emergency, confirmed or not yet. @param {Row} row */
export function isUrgent(row) {
  return row.emergency === "raised" || row.emergency === "confirmed";
}

/** @param {Row[]} rows */
function urgentFirst(rows) {
  return rows.sort((one, other) => Number(isUrgent(other)) - Number(isUrgent(one)));
}

/** Returns the conversations that are offered to the agent, in queue order: emergencies first. @param {ConsoleState} state */
export function offers(state) {
  const own = Object.values(state.rows).filter((row) => isOffer(state, row));
  return own.sort(compareQueueOrder);
}

/** Tells whether the conversation is offered to the agent. @param {ConsoleState} state @param {Row | undefined} row */
export function isOffer({ me }, row) {
  return row?.status === "waiting" && row.offered_to === me.id;
}

/** How a department works that was created after the page was loaded. @type {Policy} */
const DEFAULT_POLICY = { mode: "pull", offer_seconds: 20, pause_seconds: 0, sleep_minutes: 5, capacity: null };

/** Returns how the conversations of a department reach its agents. @param {ConsoleState} state @param {number} department */
export function policyOf({ policies }, department) {
  return policies[department] ?? DEFAULT_POLICY;
}

/** Returns the listed part of the queue, in its order. @param {ConsoleState} state */
export function waiting(state) {
  return Object.values(state.rows)
    .filter((row) => row.status === "waiting")
    .sort(compareQueueOrder);
}

/** Tells whether the agent may write in this conversation. @param {ConsoleState} state @param {Row | undefined} row */
export function mayAnswer({ me }, row) {
  return row?.status === "active" && row.agent?.id === me.id;
}

/**
 * Tells whether the conversation waits in a queue from which the agent is not allowed to take conversations.
 *
 * @param {ConsoleState} state
 * @param {Row} row
 */
export function isRestricted({ me }, row) {
  return row.status === "waiting" && me.barred.includes(row.department);
}

/** Tells whether there is a queue that the agent may take from. @param {ConsoleState} state */
export function mayTake({ me }) {
  return me.departments.some((department) => !me.barred.includes(department)) || !me.barred.length;
}

/** @param {Row} one @param {Row} other */
function compareQueueOrder(one, other) {
  return one.queue_time < other.queue_time ? -1 : 1;
}

/** Returns the active conversations of other agents, for supervisors. @param {ConsoleState} state */
export function team(state) {
  return urgentFirst(Object.values(state.rows).filter((row) => row.status === "active" && row.agent?.id !== state.me.id));
}

/** Returns the length of the queue, including conversations that are not listed. @param {ConsoleState} state */
export function waitingCount(state) {
  return Object.values(state.rows).filter((row) => row.status === "waiting").length + state.unlistedCount;
}

/** @param {ConsoleState} state @param {Row[]} rows @param {number} count @returns {ConsoleState} */
function withLists(state, rows, count) {
  const listed = Object.fromEntries(rows.map((row) => [row.id, row]));
  const threads = { ...state.threads };
  for (const [id, thread] of Object.entries(threads)) {
    const row = listed[id];
    // The server has fewer messages than this screen, so its database was restored from a backup. Drop the lost
    // messages here, too.
    if (row && row.last_seq < headOf(thread)) {
      threads[id] = emptyThread({ row, notes: [], values: thread.values, after: firstPageStart(row.last_seq, row.last_seq) });
    } else if (row) threads[id] = { ...thread, row };
  }
  const shown = rows.filter((row) => row.status === "waiting").length;
  return { ...state, rows: listed, threads, unlistedCount: Math.max(0, count - shown), isQueueUncertain: false };
}

/** @param {ConsoleState} state @param {string} presence @param {string} [reason] @returns {ConsoleState} */
function withPresence(state, presence, reason = presence === state.presence ? state.presenceReason : "") {
  return { ...state, presence, presenceReason: reason };
}

/** @param {ConsoleState} state @param {Row} row @param {boolean} listed @returns {ConsoleState} */
function withRow(state, row, listed) {
  const known = state.rows[row.id];
  if (known && row.revision < known.revision) return state;
  const rows = { ...state.rows };
  const isBeyond = listed && !known && isUnlisted(state, row);
  // An offer to this agent is shown, wherever it is in the queue.
  if (listed && (!isBeyond || isOffer(state, row))) rows[row.id] = row;
  else if (known) delete rows[row.id];
  const wasUnlisted = isBeyond || (!listed && !known && state.unlistedCount > 0);
  const after = { ...state, rows, isQueueUncertain: state.isQueueUncertain || wasUnlisted };
  return withThread(after, row.id, (thread) => ({ ...thread, row: newest(row, thread.row) }));
}

/**
 * Tells whether a waiting row belongs after the listed part of the queue. The console cannot know whether the length of
 * the queue already includes this row, so the length stays uncertain until the server sends the lists again.
 *
 * @param {ConsoleState} state
 * @param {Row} row
 */
function isUnlisted(state, row) {
  if (!state.unlistedCount || row.status !== "waiting") return false;
  const last = waiting(state).at(-1);
  return last !== undefined && compareQueueOrder(last, row) < 0;
}

/** Returns the row with the higher revision. @param {Row} row @param {Row} known */
function newest(row, known) {
  return row.revision < known.revision ? known : row;
}

/** @param {ConsoleState} state @param {MessageFrame} frame @returns {ConsoleState} */
function withMessage(state, { conversation, message, row }) {
  let after = state;
  if (message.role === "visitor" && state.typing[conversation]) {
    const { [conversation]: _, ...typing } = state.typing;
    after = { ...after, typing };
  }
  const known = after.rows[conversation];
  if (row && known) after = { ...after, rows: { ...after.rows, [conversation]: newest(row, known) } };
  return withThread(after, conversation, (thread) => {
    const placed = withArrived(thread, message);
    return row ? { ...placed, row: newest(row, placed.row) } : placed;
  });
}

/** @param {ConsoleState} state @param {string} id @param {(thread: ConsoleThread) => ConsoleThread} change */
function withThread(state, id, change) {
  const thread = state.threads[id];
  return thread ? { ...state, threads: { ...state.threads, [id]: change(thread) } } : state;
}
