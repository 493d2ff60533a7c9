import assert from "node:assert/strict";
import { test } from "node:test";
import { isolated } from "../../static/chat/bidi.js";

test("isolated removes direction marks, wraps right-to-left text and leaves other text unchanged", () => {
  assert.equal(isolated("李雷 O'Neil"), "李雷 O'Neil");
  assert.equal(isolated("王五\u202e"), "王五");
  assert.equal(isolated("evil\u202egpj.exe"), "evilgpj.exe");
  assert.equal(isolated("a\u2069\u202eb\u2066"), "ab", "not by leaving an isolate first either");
  assert.equal(isolated("محمد"), "\u2068محمد\u2069");
});
