import assert from "node:assert/strict";
import { test } from "node:test";
import { fillPlaceholders, matchingReplies, placeholdersIn } from "../../static/console/inbox/canned-replies.js";

/** @param {string} shortcut @param {Partial<ConsoleReply>} [fields] @returns {ConsoleReply} */
function reply(shortcut, fields = {}) {
  return { id: 1, shortcut, title: shortcut, body: "好", language: "zh", initials: "", source: "", scope: "shared", ...fields };
}

const REPLIES = [
  reply("nh", { title: "问候", initials: "wh" }),
  reply("nhxm", { title: "问候（带称呼）", initials: "whdch" }),
  reply("hello", { title: "Greeting", initials: "greeting", language: "en" }),
  reply("wz", { title: "我在", initials: "wz", scope: "personal" }),
  reply("wzdz", { title: "网点地址", initials: "wddz", scope: "department" }),
];
/** @param {string} typed @param {string} [language] */
const found = (typed, language = "zh") => matchingReplies(REPLIES, typed, language).map((each) => each.shortcut);

test("a reply is found by its shortcut, its title and its pinyin initials", () => {
  assert.deepEqual(found("nh"), ["nh", "nhxm"]);
  assert.deepEqual(found("NHX"), ["nhxm"]);
  assert.deepEqual(found("whd"), ["nhxm"]);
  assert.deepEqual(found("地址"), ["wzdz"]);
  assert.deepEqual(found("greet"), ["hello"]);
  assert.deepEqual(found("zzz"), []);
});

test("a reply is found by any reading of its characters, by whole syllables, and with full-width letters", () => {
  const replies = [reply("a", { title: "还款方式", initials: "hkfs haikuanfangshi huankuanfangshi" }), reply("b", { title: "支行地址", initials: "zxdz zhdz zhihangdizhi" })];
  const keys = (/** @type {string} */ typed) => matchingReplies(replies, typed, "zh").map((each) => each.shortcut);
  assert.deepEqual(keys("huankuan"), ["a"]);
  assert.deepEqual(keys("zhd"), ["b"]);
  assert.deepEqual(keys("ＺＨＩＨ"), ["b"]);
  assert.deepEqual(keys("zhi'hang"), ["b"]);
  assert.deepEqual(keys("hkfshai"), []);
});

test("the conversation's language comes first, then the best fit, then mine before the department's", () => {
  assert.equal(found("")[0], "wz");
  assert.equal(found("", "en")[0], "hello");
  assert.deepEqual(found("w"), ["wz", "wzdz", "nh", "nhxm"]);
});

test("placeholders are filled where there is a value, and the rest are pointed out", () => {
  const text = fillPlaceholders("{visitor_name}您好，我是｛agent_name｝。{x_y}", { visitor_name: "", agent_name: "林梅" });
  assert.equal(text, "{visitor_name}您好，我是林梅。{x_y}");
  assert.deepEqual(placeholdersIn(text), [
    { start: 0, end: 14, isKnown: true, text: "{visitor_name}" },
    { start: 22, end: 27, isKnown: false, text: "{x_y}" },
  ]);
});

test("what a value holds is not filled again", () => {
  assert.equal(fillPlaceholders("{visitor_name}", { visitor_name: "{hotline}", hotline: "95000" }), "{hotline}");
});
