/**
 * What time it is at the server. An agent's clock may be wrong, or set while the page is open, so it is asked for nothing:
 * the server's time is fetched every minute, and counted on from there by what nobody can set.
 */

const AGAIN_MS = 60_000;
const WAIT_MS = 10_000;

/** How far the server is ahead of `performance.now()`, ms. */
let ahead = performance.timeOrigin;
/** The bank's day, as the server said it last. */
let day = "";
/** The day where the agent sits: the log names its days by that. */
let localDay = localDate();

/** @returns {number} ms since 1970, at the server */
export function serverNow() {
  return performance.now() + ahead;
}

function localDate() {
  return new Date(serverNow()).toDateString();
}

/** Asks the server; without an answer the last one counts on. Tells the page when the bank's or the agent's day has changed. */
export async function syncClock() {
  const said = await askDay();
  const isNew = (!!day && day !== said) || localDay !== localDate();
  day = said;
  localDay = localDate();
  if (isNew) document.dispatchEvent(new Event("day-changed"));
}

/** @returns {Promise<string>} the bank's day; without an answer the one known */
async function askDay() {
  try {
    const asked = performance.now();
    const options = { cache: /** @type {const} */ ("no-store"), signal: AbortSignal.timeout(WAIT_MS) };
    const response = await fetch("/console/clock", options);
    if (!response.ok) return day;
    const said = await response.json();
    // The answer was written somewhere between asking and hearing it.
    ahead = said.now - (asked + performance.now()) / 2;
    return said.day;
  } catch {
    // Away: the next minute asks again.
    return day;
  }
}

/** Keeps the clock right while the page is open, also after a sleep. */
export function keepClock() {
  void syncClock();
  setInterval(() => void syncClock(), AGAIN_MS);
  for (const name of ["online", "pageshow", "focus"]) addEventListener(name, () => void syncClock());
  document.addEventListener("visibilitychange", () => void syncClock());
}
