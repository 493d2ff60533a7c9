import assert from "node:assert/strict";
import { test } from "node:test";
import { nameDays } from "../../static/chat/bubble.js";

const { process } = /** @type {any} */ (globalThis);
const options = { language: "en", words: { today: "Today", yesterday: "Yesterday" } };

/** @param {string} zone @param {string} at @param {string} now */
function named(zone, at, now) {
  process.env.TZ = zone;
  const day = { dateTime: at, textContent: "" };
  const log = /** @type {HTMLElement} */ (/** @type {unknown} */ ({ querySelectorAll: () => [day] }));
  nameDays(log, new Date(now).getTime(), options);
  return day.textContent;
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
