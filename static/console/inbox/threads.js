/** The ordered messages and notes of one open conversation. Pure functions. */

/** @import { MessageData, NoteFrame } from "../../chat/frames.d.ts" */
/** @import { ConsoleThread } from "./types.d.ts" */

const FIRST_PAGE = 60;
/** Number of messages shown before a message that was found by a search. */
const CONTEXT = 20;

/** Returns the seq after which the first page begins. @param {number} last @param {number} wanted a seq that must be on the page */
export function firstPageStart(last, wanted) {
  return Math.max(0, Math.min(last - FIRST_PAGE, wanted - CONTEXT));
}

/** @param {Pick<ConsoleThread, "row" | "notes" | "values" | "after">} fields @returns {ConsoleThread} */
export function emptyThread(fields) {
  return { ...fields, messages: [], ahead: [], isLoaded: false };
}

/** Returns the seq of the last message before a gap; 0 if there are no messages. @param {ConsoleThread} thread */
export function headOf(thread) {
  return thread.messages.at(-1)?.seq ?? 0;
}

/** Tells whether newer messages are known to be missing. @param {ConsoleThread} thread */
export function isBehind(thread) {
  return thread.isLoaded && (thread.ahead.length > 0 || thread.row.last_seq > headOf(thread));
}

/** Appends the messages that arrived too early and are now next in order, up to the next gap. @param {ConsoleThread} thread @returns {ConsoleThread} */
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

/** @param {ConsoleThread} thread @param {MessageData} message */
export function withArrived(thread, message) {
  return withPlaced({ ...thread, ahead: [...thread.ahead, message] });
}

/** Adds a page of messages: the first page, or a later or earlier one. @param {ConsoleThread} thread @param {MessageData[]} page */
export function withPage(thread, page) {
  const first = thread.messages[0]?.seq;
  if (first === undefined) {
    // Check that this is the first page: a page that was requested before the conversation was opened starts elsewhere.
    const fits = page.length ? page[0].seq === thread.after + 1 : thread.row.last_seq <= thread.after;
    return fits ? withPlaced({ ...thread, messages: page, isLoaded: true }) : thread;
  }
  const earlier = page.filter((message) => message.seq < first);
  const fits = earlier.length > 0 && earlier[earlier.length - 1].seq === first - 1;
  const messages = fits ? [...earlier, ...thread.messages] : thread.messages;
  return withPlaced({ ...thread, messages, ahead: [...thread.ahead, ...page] });
}

/** @param {ConsoleThread} thread @param {NoteFrame} note @returns {ConsoleThread} */
export function withNote(thread, note) {
  const others = thread.notes.filter((known) => known.id !== note.id);
  return { ...thread, notes: [...others, note].sort((one, other) => one.id - other.id) };
}
