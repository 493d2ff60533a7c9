import assert from "node:assert/strict";
import { test } from "node:test";
import { actionOf, isReplyCall } from "../../static/console/inbox/inbox-shortcut-keys.js";

/** @param {string} key @param {object} [more] */
const press = (key, more = {}) => {
  const code = /^[a-z]$/i.test(key) ? `Key${key.toUpperCase()}` : /^\d$/.test(key) ? `Digit${key}` : key;
  return { key, code, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, repeat: false, ...more };
};
const IDLE = { isWriting: false, isInSuggestions: false, movesByArrows: false, hasLetters: true };
const WRITING = { ...IDLE, isWriting: true };

test("letter keys act only outside text fields, with Alt everywhere", () => {
  assert.equal(actionOf(press("n"), IDLE), "next");
  assert.equal(actionOf(press("n"), WRITING), "");
  assert.equal(actionOf(press("n", { altKey: true }), WRITING), "next");
  assert.equal(actionOf(press("N", { shiftKey: true }), IDLE), "");
});

test("a digit key acts only while the list of answers has the focus", () => {
  for (const digit of ["1", "2", "3", "１", "３"]) {
    assert.equal(actionOf(press(digit, { code: "Digit1" }), WRITING), "", digit);
    assert.equal(actionOf(press(digit, { code: "Digit1" }), IDLE), "", digit);
  }
  assert.equal(actionOf(press("3"), { ...IDLE, isInSuggestions: true }), "point-3");
  assert.equal(actionOf(press("３", { code: "Digit3" }), { ...IDLE, isInSuggestions: true }), "point-3");
  assert.equal(actionOf(press("4"), { ...IDLE, isInSuggestions: true }), "");
  assert.equal(actionOf(press("¡", { code: "Digit1", altKey: true }), WRITING), "point-1", "as a Mac types it");
  assert.equal(actionOf(press("1", { code: "Numpad1", altKey: true }), WRITING), "", "Alt+0183 of Windows");
});

test("Chinese and full-width punctuation keys act like the Latin ones", () => {
  for (const key of ["/", "／", "、"]) assert.equal(actionOf(press(key, { code: "Slash" }), IDLE), "replies", key);
  for (const key of ["?", "？"]) assert.equal(actionOf(press(key, { shiftKey: true }), IDLE), "keys", key);
  assert.equal(actionOf(press("ｎ", { code: "KeyN" }), IDLE), "next");
  assert.equal(actionOf(press("т", { code: "KeyN" }), IDLE), "next", "a Russian layout: by the key's place");
  assert.equal(actionOf(press("m", { code: "Semicolon" }), IDLE), "note", "a French layout: by the letter");
  for (const text of ["/", "、wh", "／kh"]) assert.ok(isReplyCall(text), text);
  for (const text of ["", "您好、", "a/"]) assert.ok(!isReplyCall(text), text);
});

test("a held key repeats only movements in lists", () => {
  for (const key of ["n", "t", "c", "g", "p"]) assert.equal(actionOf(press(key, { repeat: true }), IDLE), "", key);
  assert.equal(actionOf(press("1", { altKey: true, repeat: true }), WRITING), "");
  assert.equal(actionOf(press("j", { repeat: true }), IDLE), "down");
});

test("single-letter shortcuts can be switched off, shortcuts with Alt stay", () => {
  const off = { ...IDLE, hasLetters: false };
  for (const key of ["n", "c", "?", "/", "、"]) assert.equal(actionOf(press(key), off), "", key);
  assert.equal(actionOf(press("n", { altKey: true }), off), "next");
  assert.equal(actionOf(press("ArrowDown"), off), "down");
});
