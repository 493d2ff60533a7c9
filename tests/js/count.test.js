import assert from "node:assert/strict";
import { test } from "node:test";
import { cutTo, firstCharacter, lengthOf } from "../../static/chat/count.js";

test("characters are counted as the server counts them", () => {
  /** @type {[string, number][]} what Python's len() says */
  const lengths = [["", 0], ["您好", 2], ["😊", 1], ["𠮷", 1], ["👩‍👩‍👧", 5], ["🇨🇳", 2], ["e\u0301", 2], ["\ud83d", 1], ["a\ude0a😊", 3]];
  for (const [text, length] of lengths) assert.equal(lengthOf(text), length, JSON.stringify(text));
  assert.equal(lengthOf("😊".repeat(2000)), 2000);
});

test("a cut takes whole visible characters", () => {
  assert.equal(cutTo("您好😊", 3), "您好😊");
  assert.equal(cutTo("您好😊吗", 3), "您好😊");
  assert.equal(cutTo("a👩‍👩‍👧b", 3), "a");
  assert.equal(cutTo("a👩‍👩‍👧b", 6), "a👩‍👩‍👧");
  assert.equal(cutTo("🇨🇳🇨🇳", 3), "🇨🇳");
  assert.equal(firstCharacter("👩‍👩‍👧林"), "👩‍👩‍👧");
  assert.equal(firstCharacter(""), "");
});
