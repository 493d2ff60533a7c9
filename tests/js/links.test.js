import assert from "node:assert/strict";
import { test } from "node:test";
import { linkParts } from "../../static/chat/links.js";
import { fill } from "../../static/chat/ui-strings.js";

/** @param {string} text */
const hrefs = (text) => linkParts(text).flatMap((part) => (part.href ? [part.href] : []));

test("linkParts makes links of addresses and leaves other text", () => {
  assert.deepEqual(linkParts("见 https://www.bank.example/a?b=1，谢谢。"), [
    { text: "见 " },
    { text: "https://www.bank.example/a?b=1", href: "https://www.bank.example/a?b=1" },
    { text: "，谢谢。" },
  ]);
  assert.deepEqual(hrefs("(http://a.example/x). HTTPS://B.example!"), ["http://a.example/x", "https://b.example/"]);
});

test("only http and https addresses without a user name are links", () => {
  for (const text of [
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "xjavascript:https",
    "file:///etc/passwd",
    "https://bank.example@evil.example/",
    "https://user:word@evil.example",
    "https://",
    "http://[",
    "vbscript:msgbox",
  ]) {
    assert.deepEqual(hrefs(text), [], text);
  }
});

test("the parts joined together are exactly the text", () => {
  for (const text of [
    "",
    "https://a.example",
    "a\nhttps://a.example\n\u202Eb https://b.example/%F0 \u0000",
    "<a href=https://a.example>https://b.example</a>",
    "https://a.example/'\"><img src=x onerror=alert(1)>",
    "🙂https://a.example/🙂🙂 \uD800 https://",
    "https://a.example https://a.example,https://b.example;.",
  ]) {
    assert.equal(linkParts(text).map((part) => part.text).join(""), text);
  }
});

test("fill replaces placeholders once and leaves unknown ones", () => {
  assert.equal(fill("{a} {b} {a}", { a: "{b}", c: 1 }), "{b} {b} {b}");
  assert.equal(fill("{place}", { place: 0 }), "0");
});

test("an address ends before Chinese characters and their punctuation", () => {
  for (const after of ["请看", "谢谢。", "，谢谢", "、", "）", "】", "」", "》", "；", "：", "！", "？", "｡", "～", "　全", "😊", "です", "입니다", "…", "—", "\u200b", "\u202e"]) {
    assert.deepEqual(hrefs(`见https://www.bank.example/a?b=1${after}`), ["https://www.bank.example/a?b=1"], after);
    assert.deepEqual(hrefs(`https://www.bank.example${after}`), ["https://www.bank.example/"], after);
  }
  assert.deepEqual(hrefs("https://a.example和https://b.example都行"), ["https://a.example/", "https://b.example/"]);
});

test("an address leaves out the sentence's punctuation and keeps its own brackets", () => {
  for (const [text, href] of [
    ["(https://a.example/x)", "https://a.example/x"],
    ["[https://a.example/x].", "https://a.example/x"],
    ["https://a.example/x_(y)", "https://a.example/x_(y)"],
    ["(see https://a.example/x_(y)).", "https://a.example/x_(y)"],
    ["https://a.example/x)...", "https://a.example/x"],
    ["https://a.example/?a[]=1!", "https://a.example/?a[]=1"],
    ["http://[::1]/x", "http://[::1]/x"],
    ["https://ru.example/Москва,", "https://ru.example/%D0%9C%D0%BE%D1%81%D0%BA%D0%B2%D0%B0"],
  ]) {
    assert.deepEqual(hrefs(text), [href], text);
  }
});
