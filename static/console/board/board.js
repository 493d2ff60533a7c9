/** The supervisor's board: draws it again when something has changed, and runs the actions of its buttons and dialogs. */

import { byId, setText } from "../../chat/dom.js";
import { LiveSocket } from "../../chat/socket.js";
import { readUiStrings } from "../../chat/ui-strings.js";
import { letterOf } from "../inbox/inbox-shortcut-keys.js";
import { hasLetters } from "../letter-shortcut-setting.js";
import { fragment, post } from "../requests.js";
import { serverNow, startClockSync } from "../server-clock.js";
import { SubmitGuard } from "../submit-guard.js";
import { BoardChanges } from "./board-changes.js";
import { EmergencyBell } from "./emergency-bell.js";
import { formatTime, heatOf } from "./ticking.js";

/** @import { ConsoleFrame, ServerToConsole } from "../../chat/frames.d.ts" */

/** The board is drawn at most once in this time, and at least once in the other. */
const MIN_INTERVAL_MS = 1000;
const MAX_INTERVAL_MS = 15_000;

const strings = readUiStrings();
const dialog = /** @type {HTMLDialogElement} */ (byId("dialog"));
const changes = new BoardChanges();
const bell = new EmergencyBell(strings);
const guard = new SubmitGuard();

let drawnAt = 0;
let timer = 0;
let isDrawing = false;
let isOutdated = false;
/** Whether the board on screen is current as far as this page knows: the socket is open and the last request was answered. */
let isLive = false;

/** Draws the board soon, but not more than once in MIN_INTERVAL_MS. */
function drawSoon() {
  isOutdated = true;
  clearTimeout(timer);
  timer = setTimeout(() => void draw(), Math.max(0, drawnAt + MIN_INTERVAL_MS - performance.now()));
}

async function draw() {
  if (isDrawing) return;
  isDrawing = true;
  isOutdated = false;
  drawnAt = performance.now();
  const isDrawn = await fragment("board/now", "#board");
  isDrawing = false;
  showStatus(isDrawn && isLive ? "open" : "lost");
  if (isDrawn) bell.update();
  tick();
  clearTimeout(timer);
  if (isOutdated) drawSoon();
  else timer = setTimeout(() => void draw(), MAX_INTERVAL_MS);
}

function tick() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-since]")) {
    if (!(element instanceof HTMLElement)) continue;
    const seconds = Math.max(0, Math.floor((serverNow() - Number(element.dataset.since)) / 1000));
    setText(element, formatTime(seconds));
    const heated = /** @type {HTMLElement | null} */ (element.closest(".wait, .figure")?.closest("[data-heat]"));
    if (heated?.dataset.heat) heated.dataset.heat = heatOf(seconds);
  }
}

/** @param {"connecting" | "open" | "lost" | "ended"} status */
function showStatus(status) {
  byId("board-status").dataset.status = status;
  setText(byId("board-status-text"), strings[status]);
}

/** @param {string} words */
function showFailure(words) {
  const place = dialog.open ? dialog.querySelector(".form-failed") : byId("board-failed");
  if (!(place instanceof HTMLElement)) return;
  place.textContent = words;
  place.hidden = false;
}

/** @param {string} path below the console's address */
async function openDialog(path) {
  if (!(await fragment(path, "#dialog-body"))) return showFailure(strings.offline_write);
  if (!dialog.open) dialog.showModal();
  /** @type {HTMLElement | null} */ (dialog.querySelector("[autofocus], select, button:not([data-dismiss])"))?.focus();
}

/** @param {string} path below the console's address */
async function send(path) {
  byId("board-failed").hidden = true;
  const answer = await post(path);
  if (!answer.ok) showFailure(answer.refused?.words ?? strings.offline_write);
  drawSoon();
}

/** @type {LiveSocket<ConsoleFrame, ServerToConsole>} */
const socket = new LiveSocket({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/console/`,
  hello: () => ({ kind: "hello", version: 1 }),
  onFrame: (frame) => {
    if (changes.add(frame)) drawSoon();
  },
  onStatus: (status) => {
    isLive = status === "open";
    showStatus(status);
  },
});

document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const opener = /** @type {HTMLElement | null} */ (target.closest("[data-dialog]"));
  const sender = /** @type {HTMLElement | null} */ (target.closest("[data-post]"));
  if (target === dialog || target.closest("[data-dismiss]")) dialog.close();
  else if (opener?.dataset.dialog) void openDialog(opener.dataset.dialog);
  else if (sender?.dataset.post) {
    const path = sender.dataset.post;
    void guard.run(path, () => send(path));
  }
});
document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (dialog.open || event.repeat || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (target.closest("input, select, textarea") || letterOf(event) !== "E" || !(event.altKey || hasLetters())) return;
  const first = /** @type {HTMLElement | null} */ (document.querySelector("#emergencies [data-first]"));
  if (!first) return;
  event.preventDefault();
  first.click();
});
document.addEventListener("console:done", () => {
  dialog.close();
  drawSoon();
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => showFailure(strings.offline_write));
}
document.addEventListener("htmx:responseError", (event) => {
  try {
    showFailure(JSON.parse(/** @type {CustomEvent} */ (event).detail.xhr.responseText).refused.words);
  } catch {
    showFailure(strings.failed);
  }
});
document.addEventListener("visibilitychange", () => document.hidden || drawSoon());
document.addEventListener("signed-out", () => showStatus("ended"));

startClockSync();
setInterval(tick, 1000);
drawnAt = performance.now();
timer = setTimeout(() => void draw(), MAX_INTERVAL_MS);
bell.update();
socket.open();
