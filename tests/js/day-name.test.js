import assert from "node:assert/strict";
import { test } from "node:test";
import { dayElement, dayName, renameDays } from "../../static/chat/bubble.js";

const { process } = /** @type {any} */ (globalThis);
const options = { language: "en", words: { today: "Today", yesterday: "Yesterday" } };

/** @param {string} zone @param {string} at @param {string} now */
function named(zone, at, now) {
  process.env.TZ = zone;
  return dayName(new Date(at), { ...options, now: new Date(now) });
}

test("today and yesterday are days of the reader's calendar", () => {
  assert.equal(named("Asia/Shanghai", "2026-11-30T16:00:00Z", "2026-12-01T15:59:59Z"), "Today");
  assert.equal(named("Asia/Shanghai", "2026-11-30T15:59:59Z", "2026-12-01T15:59:59Z"), "Yesterday");
  assert.equal(named("Asia/Shanghai", "2028-02-28T15:59:59Z", "2028-02-28T16:00:00Z"), "Yesterday");
  assert.equal(named("Asia/Shanghai", "2027-12-31T15:59:59Z", "2027-12-31T16:00:00Z"), "Yesterday");
  assert.equal(named("Asia/Shanghai", "2028-02-28T15:59:59Z", "2028-02-29T16:00:00Z"), "Monday, February 28, 2028");
});

test("a day of 23 or 25 hours has one yesterday", () => {
  // New York puts its clocks forward on 8 March 2026 and back on 1 November 2026.
  assert.equal(named("America/New_York", "2026-03-08T16:00:00Z", "2026-03-09T04:30:00Z"), "Yesterday");
  assert.equal(named("America/New_York", "2026-03-07T16:00:00Z", "2026-03-09T04:30:00Z"), "Saturday, March 7, 2026");
  assert.equal(named("America/New_York", "2026-10-31T16:00:00Z", "2026-11-02T04:30:00Z"), "Yesterday");
});

test("a line with the day is renamed after midnight, and holds the moment whatever the time zone", () => {
  process.env.TZ = "Asia/Shanghai";
  const made = { textContent: "", dateTime: "", writes: 0, append: (/** @type {string} */ text) => (made.textContent = text) };
  Object.assign(globalThis, { document: { createElement: () => made } });
  const at = new Date().toISOString();
  dayElement({ seq: 1, type: "text", role: "visitor", name: "", body: "", at }, options);
  assert.equal(made.dateTime, at);
  const place = /** @type {HTMLElement} */ (/** @type {unknown} */ ({ querySelectorAll: () => [made] }));
  Object.assign(made, { dateTime: new Date(Date.now() - 48 * 3_600_000).toISOString(), textContent: "Today" });
  renameDays(place, options);
  assert.match(made.textContent, /\d{4}$/);
  Object.defineProperty(made, "textContent", { get: () => dayName(new Date(made.dateTime), options), set: () => assert.fail("written again") });
  renameDays(place, options);
});
