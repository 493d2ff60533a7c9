import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { nameDays } from "../../static/chat/message-element.js";

Object.assign(process.env, { TZ: "America/New_York" });
const strings = /** @type {any} */ ({ today: "Today", yesterday: "Yesterday" });

/** @param {string} at @param {string} now */
function nameOf(at, now) {
  const day = { dateTime: at, textContent: "" };
  const log = /** @type {any} */ ({ querySelectorAll: () => [day] });
  nameDays(log, Date.parse(now), { language: "en", strings });
  return day.textContent;
}

test("nameDays names days relative to the given time in the reader's time zone", () => {
  assert.equal(nameOf("2026-11-30T04:59:00Z", "2026-11-30T04:59:30Z"), "Today");
  assert.equal(nameOf("2026-11-30T04:59:00Z", "2026-11-30T05:00:00Z"), "Yesterday");
  assert.equal(nameOf("2026-11-30T04:59:00Z", "2026-12-01T05:00:00Z"), "Sunday, November 29, 2026");
});

test("nameDays finds yesterday although the day has 25 hours", () => {
  // Clocks go back on 1 November 2026, so 24 hours before the end of that day is still the same day.
  assert.equal(nameOf("2026-11-01T04:30:00Z", "2026-11-02T04:45:00Z"), "Today");
  assert.equal(nameOf("2026-11-01T04:30:00Z", "2026-11-02T05:10:00Z"), "Yesterday");
  assert.equal(nameOf("2026-10-31T12:00:00Z", "2026-11-02T04:45:00Z"), "Yesterday");
});
