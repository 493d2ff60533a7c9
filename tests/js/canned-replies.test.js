import assert from "node:assert/strict";
import { test } from "node:test";
import { fillPlaceholders, matchingReplies, placeholdersIn } from "../../static/console/inbox/canned-replies.js";

/** @import { CannedReply } from "../../static/console/inbox/canned-replies.js" */

/** @param {string} shortcut @param {Partial<CannedReply>} [fields] @returns {CannedReply} */
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
const shortcuts = (typed, language = "zh") => matchingReplies(REPLIES, typed, language).map((match) => match.shortcut);

test("replies are found by shortcut, title and pinyin initials", () => {
  assert.deepEqual(shortcuts("nh"), ["nh", "nhxm"]);
  assert.deepEqual(shortcuts("NHX"), ["nhxm"]);
  assert.deepEqual(shortcuts("whd"), ["nhxm"]);
  assert.deepEqual(shortcuts("地址"), ["wzdz"]);
  assert.deepEqual(shortcuts("greet"), ["hello"]);
  assert.deepEqual(shortcuts("zzz"), []);
});

test("replies are found by any reading of their characters, by whole syllables and by full-width letters", () => {
  const replies = [reply("a", { title: "还款方式", initials: "hkfs haikuanfangshi huankuanfangshi" }), reply("b", { title: "支行地址", initials: "zxdz zhdz zhihangdizhi" })];
  const keys = (/** @type {string} */ typed) => matchingReplies(replies, typed, "zh").map((match) => match.shortcut);
  assert.deepEqual(keys("huankuan"), ["a"]);
  assert.deepEqual(keys("zhd"), ["b"]);
  assert.deepEqual(keys("ＺＨＩＨ"), ["b"]);
  assert.deepEqual(keys("zhi'hang"), ["b"]);
  assert.deepEqual(keys("hkfshai"), []);
});

test("replies are ordered by the conversation's language, then by match, then personal before department replies", () => {
  assert.equal(shortcuts("")[0], "wz");
  assert.equal(shortcuts("", "en")[0], "hello");
  assert.deepEqual(shortcuts("w"), ["wz", "wzdz", "nh", "nhxm"]);
});

test("placeholders with a value are filled and the others are reported with their positions", () => {
  const text = fillPlaceholders("{visitor_name}您好，我是｛agent_name｝。{x_y}", { visitor_name: "", agent_name: "林梅" });
  assert.equal(text, "{visitor_name}您好，我是林梅。{x_y}");
  assert.deepEqual(placeholdersIn(text), [
    { start: 0, end: 14, isKnown: true, text: "{visitor_name}" },
    { start: 22, end: 27, isKnown: false, text: "{x_y}" },
  ]);
});

test("a placeholder inside a value is not filled", () => {
  assert.equal(fillPlaceholders("{visitor_name}", { visitor_name: "{hotline}", hotline: "95000" }), "{hotline}");
});
