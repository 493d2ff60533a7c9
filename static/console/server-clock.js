/**
 * The server's time. It is fetched every minute, and `performance.now()`, which is monotonic, counts in between. The
 * computer's clock is used only until the first answer, because it may be wrong or may be changed.
 */

const SYNC_INTERVAL_MS = 60_000;
const WAIT_MS = 10_000;

/** Milliseconds by which the server's time is ahead of `performance.now()`. */
let offset = performance.timeOrigin;
/** The bank's current day, from the server's last answer. */
let day = "";
/** The current day in the agent's time zone. Day headings in the thread, such as "today", depend on it. */
let localDay = localDate();

/** @returns {number} the server's time in milliseconds since 1970 */
export function serverNow() {
  return performance.now() + offset;
}

function localDate() {
  return new Date(serverNow()).toDateString();
}

/**
 * Fetches the server's time. Without an answer, the last offset is kept. Dispatches the event `day-changed` when the bank's
 * day or the agent's local day changes.
 */
export async function syncClock() {
  const newDay = await fetchDay();
  const isNew = (!!day && day !== newDay) || localDay !== localDate();
  day = newDay;
  localDay = localDate();
  if (isNew) document.dispatchEvent(new Event("day-changed"));
}

/** @returns {Promise<string>} the bank's day; without an answer, the last known one */
async function fetchDay() {
  try {
    const sentAt = performance.now();
    const options = { cache: /** @type {const} */ ("no-store"), signal: AbortSignal.timeout(WAIT_MS) };
    const response = await fetch("/console/clock", options);
    if (!response.ok) return day;
    const answer = await response.json();
    // The server read its clock at some time between request and response: assume the middle.
    offset = answer.now - (sentAt + performance.now()) / 2;
    return answer.day;
  } catch {
    // No answer: the next try is in a minute.
    return day;
  }
}

/** Keeps the offset up to date while the page is open, also after the computer has slept. */
export function startClockSync() {
  void syncClock();
  setInterval(() => void syncClock(), SYNC_INTERVAL_MS);
  for (const name of ["online", "pageshow", "focus"]) addEventListener(name, () => void syncClock());
  document.addEventListener("visibilitychange", () => void syncClock());
}
