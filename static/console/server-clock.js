/**
 * The server's time. The computer's clock may be wrong, or be changed while the page is open, so it is used only until
 * the server's first answer. The server's time is fetched every minute, and the monotonic `performance.now()` counts on.
 */

const SYNC_INTERVAL_MS = 60_000;
const WAIT_MS = 10_000;

/** Milliseconds by which the server's time is ahead of `performance.now()`. */
let offset = performance.timeOrigin;
/** The bank's current day, from the server's last answer. */
let day = "";
/** The day in the agent's time zone, by which the thread names its days. */
let localDay = localDate();

/** @returns {number} the server's time in milliseconds since 1970 */
export function serverNow() {
  return performance.now() + offset;
}

function localDate() {
  return new Date(serverNow()).toDateString();
}

/**
 * Fetches the server's time; without an answer, keeps the last offset. Dispatches `day-changed` when the bank's day or
 * the agent's local day changes.
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
    // The server wrote its time somewhere between the request and the response: assume the middle.
    offset = answer.now - (sentAt + performance.now()) / 2;
    return answer.day;
  } catch {
    // No answer: the next minute tries again.
    return day;
  }
}

/** Keeps the offset current while the page is open, also after the computer slept. */
export function startClockSync() {
  void syncClock();
  setInterval(() => void syncClock(), SYNC_INTERVAL_MS);
  for (const name of ["online", "pageshow", "focus"]) addEventListener(name, () => void syncClock());
  document.addEventListener("visibilitychange", () => void syncClock());
}
