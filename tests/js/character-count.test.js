import assert from "node:assert/strict";
import { test } from "node:test";
import { lengthOf } from "../../static/chat/character-count.js";

test("lengthOf counts characters as Python's len does", () => {
  /** @type {[string, number][]} texts with the result of Python's len() */
  const lengths = [["", 0], ["您好", 2], ["😊", 1], ["𠮷", 1], ["👩‍👩‍👧", 5], ["🇨🇳", 2], ["e\u0301", 2], ["\ud83d", 1], ["a\ude0a😊", 3]];
  for (const [text, length] of lengths) assert.equal(lengthOf(text), length, JSON.stringify(text));
  assert.equal(lengthOf("😊".repeat(2000)), 2000);
});
