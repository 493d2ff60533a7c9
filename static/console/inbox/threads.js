/** The messages and notes of one opened conversation, in their order. Pure, as state.js. */

const FIRST_PAGE = 60;
/** So many are shown before one that was searched for. */
const CONTEXT = 20;

/** After which seq the first page begins. @param {number} last @param {number} wanted a seq that has to be on it */
export function startOf(last, wanted) {
  return Math.max(0, Math.min(last - FIRST_PAGE, wanted - CONTEXT));
}

/** @param {Pick<ConsoleThread, "row" | "notes" | "values" | "after">} given @returns {ConsoleThread} */
export function begun(given) {
  return { ...given, messages: [], ahead: [], isLoaded: false };
}

/** The last seq up to which nothing is missing. @param {ConsoleThread} thread */
export function headOf(thread) {
  return thread.messages.at(-1)?.seq ?? 0;
}

/** Whether something is known to be missing at the end. @param {ConsoleThread} thread */
export function isBehind(thread) {
  return thread.isLoaded && (thread.ahead.length > 0 || thread.row.last_seq > headOf(thread));
}

/** Moves what is ahead to its place, as far as there is no gap. @param {ConsoleThread} thread @returns {ConsoleThread} */
function withPlaced(thread) {
  if (!thread.isLoaded) return thread;
  const messages = [...thread.messages];
  const ahead = [];
  for (const message of [...thread.ahead].sort((one, other) => one.seq - other.seq)) {
    const head = messages.at(-1)?.seq ?? 0;
    if (message.seq === head + 1) messages.push(message);
    else if (message.seq > head + 1) ahead.push(message);
  }
  return { ...thread, messages, ahead };
}

/** @param {ConsoleThread} thread @param {ChatMessage} message */
export function withArrived(thread, message) {
  return withPlaced({ ...thread, ahead: [...thread.ahead, message] });
}

/** A page of messages: the first, a later one or an earlier one. @param {ConsoleThread} thread @param {ChatMessage[]} page */
export function withPage(thread, page) {
  const first = thread.messages[0]?.seq;
  if (first === undefined) {
    // An answer to what was asked before the conversation was opened, from its end, is not its first page.
    const fits = page.length ? page[0].seq === thread.after + 1 : thread.row.last_seq <= thread.after;
    return fits ? withPlaced({ ...thread, messages: page, isLoaded: true }) : thread;
  }
  const earlier = page.filter((message) => message.seq < first);
  const fits = earlier.length > 0 && earlier[earlier.length - 1].seq === first - 1;
  const messages = fits ? [...earlier, ...thread.messages] : thread.messages;
  return withPlaced({ ...thread, messages, ahead: [...thread.ahead, ...page] });
}

/** @param {ConsoleThread} thread @param {ConsoleNote} note @returns {ConsoleThread} */
export function withNote(thread, note) {
  const others = thread.notes.filter((each) => each.id !== note.id);
  return { ...thread, notes: [...others, note].sort((one, other) => one.id - other.id) };
}
