/** What the console knows, and how a frame changes it. Pure: the tests apply the same frames and compare with what
 * the server would say afresh. */

import { begun, headOf, startOf, withArrived, withNote, withPage } from "./threads.js";

/** @param {ConsoleFirst} first @returns {ConsoleState} */
export function begin({ me, rows, waiting_count, presence }) {
  /** @type {ConsoleState} */
  const empty = { me, presence, rows: {}, waitingBeyond: 0, isLineUnsure: false, threads: {}, typing: {}, edition: 0 };
  return withLists(empty, rows, waiting_count);
}

/** @param {ConsoleState} state @param {ChatFrame} frame @param {number} [now] ms @returns {ConsoleState} */
export function apply(state, frame, now = performance.now()) {
  switch (frame.kind) {
    case "welcome":
      return { ...withLists(state, frame.rows, frame.waiting_count), presence: frame.presence };
    case "conversation":
      return withRow(state, frame.row, frame.listed);
    case "message":
      return withMessage(state, frame);
    case "messages":
      return withThread(state, frame.conversation, (thread) => withPage(thread, frame.messages));
    case "note":
      return withThread(state, frame.conversation, (thread) => withNote(thread, /** @type {any} */ (frame)));
    case "was_seen":
      return withMarks(state, frame);
    case "knowledge":
      return { ...state, edition: Math.max(state.edition, frame.edition) };
    case "presence":
      return frame.staff === state.me.id ? { ...state, presence: frame.status } : state;
    case "is_typing":
      return { ...state, typing: { ...state.typing, [frame.conversation]: now + 6000 } };
    default:
      return state;
  }
}

/**
 * Takes what the server answered when a conversation was opened.
 *
 * @param {ConsoleState} state
 * @param {any} answer
 * @param {number} [wanted] a seq that has to be among the first page
 */
export function open(state, { row, notes, values, messages }, wanted = row.last_seq) {
  const known = state.threads[row.id];
  const after = messages ? 0 : startOf(row.last_seq, wanted);
  let thread = known
    ? notes.reduce(withNote, { ...known, row: newer(row, known.row), values })
    : begun({ row, notes, values, after });
  if (messages) thread = withPage(thread, messages.messages);
  return { ...state, threads: { ...state.threads, [row.id]: thread } };
}

/** @param {ConsoleState} state */
export function mine(state) {
  return Object.values(state.rows).filter((row) => row.agent?.id === state.me.id && row.status !== "waiting");
}

/** The line, first come first. @param {ConsoleState} state */
export function waiting(state) {
  return Object.values(state.rows)
    .filter((row) => row.status === "waiting")
    .sort(inLine);
}

/** Whether I may write to this customer. @param {ConsoleState} state @param {ConsoleRow | undefined} row */
export function mayAnswer({ me }, row) {
  return row?.status === "active" && row.agent?.id === me.id;
}

/** Whether they wait in a line from which I take nobody for now. @param {ConsoleState} state @param {ConsoleRow} row */
export function isBarred({ me }, row) {
  return row.status === "waiting" && me.barred.includes(row.department);
}

/** Whether there is a line from which I may take. @param {ConsoleState} state */
export function mayTake({ me }) {
  return me.departments.some((department) => !me.barred.includes(department)) || !me.barred.length;
}

/** @param {ConsoleRow} one @param {ConsoleRow} other */
function inLine(one, other) {
  return other.priority - one.priority || (one.waiting_since < other.waiting_since ? -1 : 1);
}

/** What colleagues have, for a supervisor. @param {ConsoleState} state */
export function team(state) {
  return Object.values(state.rows).filter((row) => row.status === "active" && row.agent?.id !== state.me.id);
}

/** @param {ConsoleState} state */
export function waitingCount(state) {
  return Object.values(state.rows).filter((row) => row.status === "waiting").length + state.waitingBeyond;
}

/** @param {ConsoleState} state @param {ConsoleRow[]} rows @param {number} count @returns {ConsoleState} */
function withLists(state, rows, count) {
  const listed = Object.fromEntries(rows.map((row) => [row.id, row]));
  const threads = { ...state.threads };
  for (const [id, thread] of Object.entries(threads)) {
    const row = listed[id];
    // The server knows less than this screen: it was restored from a backup. What is gone is not shown as said.
    if (row && row.last_seq < headOf(thread)) {
      threads[id] = begun({ row, notes: [], values: thread.values, after: startOf(row.last_seq, row.last_seq) });
    } else if (row) threads[id] = { ...thread, row };
  }
  const shown = rows.filter((row) => row.status === "waiting").length;
  return { ...state, rows: listed, threads, waitingBeyond: Math.max(0, count - shown), isLineUnsure: false };
}

/** @param {ConsoleState} state @param {ConsoleRow} row @param {boolean} listed @returns {ConsoleState} */
function withRow(state, row, listed) {
  const known = state.rows[row.id];
  if (known && isOlder(row, known)) return state;
  const rows = { ...state.rows };
  let { isLineUnsure } = state;
  if (listed && !known && isBeyond(state, row)) isLineUnsure = true;
  else if (listed) rows[row.id] = row;
  else if (known) delete rows[row.id];
  else if (state.waitingBeyond) isLineUnsure = true;
  const after = { ...state, rows, isLineUnsure };
  return withThread(after, row.id, (thread) => (isOlder(row, thread.row) ? thread : { ...thread, row }));
}

/** Behind those listed, where more wait than are listed: counted already, or new; the server is asked. @param {ConsoleState} state @param {ConsoleRow} row */
function isBeyond(state, row) {
  if (!state.waitingBeyond || row.status !== "waiting") return false;
  const last = waiting(state).at(-1);
  return last !== undefined && inLine(last, row) < 0;
}

/** The layer may bring rows in the wrong order. @param {ConsoleRow} row @param {ConsoleRow} known */
function isOlder(row, known) {
  return row.last_seq < known.last_seq;
}

/** Of an answer that was on its way while the socket brought more: marks never go back. @param {ConsoleRow} row @param {ConsoleRow} known @returns {ConsoleRow} */
function newer(row, known) {
  if (isOlder(row, known)) return known;
  return {
    ...row,
    visitor_received: Math.max(row.visitor_received, known.visitor_received),
    visitor_read: Math.max(row.visitor_read, known.visitor_read),
    agent_received: Math.max(row.agent_received, known.agent_received),
    agent_read: Math.max(row.agent_read, known.agent_read),
  };
}

/** @param {ConsoleState} state @param {ChatFrame} frame @returns {ConsoleState} */
function withMessage(state, { conversation, message, row }) {
  let after = state;
  if (message.role === "visitor" && state.typing[conversation]) {
    const { [conversation]: _, ...typing } = state.typing;
    after = { ...after, typing };
  }
  if (row && after.rows[conversation] && !isOlder(row, after.rows[conversation])) {
    after = { ...after, rows: { ...after.rows, [conversation]: row } };
  }
  return withThread(after, conversation, (thread) => {
    const placed = withArrived(thread, message);
    return row && !isOlder(row, placed.row) ? { ...placed, row } : placed;
  });
}

/** @param {ConsoleState} state @param {ChatFrame} frame @returns {ConsoleState} */
function withMarks(state, { conversation, role, received, read }) {
  const said = state.threads[conversation]?.messages ?? [];
  const left = said.filter((message) => message.seq > read && message.role === "visitor").length;
  /** @param {ConsoleRow} row @returns {ConsoleRow} */
  const marked = (row) =>
    role === "visitor"
      ? {
          ...row,
          visitor_received: Math.max(row.visitor_received, received),
          visitor_read: Math.max(row.visitor_read, read),
        }
      : {
          ...row,
          agent_received: Math.max(row.agent_received, received),
          agent_read: Math.max(row.agent_read, read),
          unread: read >= row.last_seq ? 0 : Math.min(row.unread, left || row.unread),
        };
  const row = state.rows[conversation];
  const after = row ? { ...state, rows: { ...state.rows, [conversation]: marked(row) } } : state;
  return withThread(after, conversation, (thread) => ({ ...thread, row: marked(thread.row) }));
}

/** @param {ConsoleState} state @param {string} id @param {(thread: ConsoleThread) => ConsoleThread} change */
function withThread(state, id, change) {
  const thread = state.threads[id];
  return thread ? { ...state, threads: { ...state.threads, [id]: change(thread) } } : state;
}
