import assert from "node:assert/strict";
import { test } from "node:test";
import { contentOf } from "../../static/chat/clipboard.js";

/** @param {Record<string, string>} data @param {string[]} [names] */
const transfer = (data, names = []) =>
  /** @type {any} */ ({ files: names.map((name) => ({ name })), getData: (/** @type {string} */ type) => data[type] ?? "" });

/** @param {Record<string, string>} data @param {string[]} [names] */
const read = (data, names) => {
  const { text, files } = contentOf(transfer(data, names));
  return text || files.map((file) => file.name);
};

test("copied spreadsheet cells are read as text although a picture comes with them", () => {
  assert.equal(read({ "text/plain": "6222\t张三\r\n", "text/html": "<table>" }, ["image.png"]), "6222\t张三\r\n");
});

test("a screenshot, a picture of a web page and files of a file manager are read as files", () => {
  assert.deepEqual(read({}, ["image.png"]), ["image.png"]);
  assert.deepEqual(read({ "text/html": "<img src=x>", "text/uri-list": "https://a.example/x.png" }, ["x.png"]), ["x.png"]);
  assert.deepEqual(read({ "text/plain": "回单.pdf" }, ["回单.pdf"]), ["回单.pdf"]);
  assert.deepEqual(read({ "text/plain": "/home/a/x.png\n/home/a/y.png" }, ["x.png", "y.png"]), ["x.png", "y.png"]);
  assert.deepEqual(read({ "text/plain": "file:///home/a/%E5%9B%9E%E5%8D%95.pdf" }, ["回单.pdf"]), ["回单.pdf"]);
  assert.deepEqual(read({ "text/plain": "C:\\Users\\a\\x.png" }, ["x.png"]), ["x.png"]);
});

test("text and links are read as text", () => {
  assert.equal(read({ "text/plain": "您好" }), "您好");
  assert.equal(read({ "text/uri-list": "https://a.example/" }), "https://a.example/");
  assert.deepEqual(read({}), []);
  assert.deepEqual(contentOf(null), { text: "", files: [] });
});
