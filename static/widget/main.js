/** Puts the box together: the session, the parts of the page, and the bank's page around it. */

import { guardPresses } from "../chat/double-click-guard.js";
import { readWords } from "../chat/ui-strings.js";
import { Answers } from "./suggestions.js";
import { Beginning } from "./pre-chat-form.js";
import { Composer } from "./composer.js";
import { Ending } from "./after-chat.js";
import { Files } from "./files.js";
import { drawHead } from "./header.js";
import { Host } from "./host-page.js";
import { Memory } from "./storage.js";
import { by, write } from "./elements.js";
import { Session } from "./session.js";
import { Talk } from "./message-list.js";

/** @type {{site: string, language: string, origins: string[], types: string[], megabytes: number}} */
const setup = JSON.parse(by("setup").textContent ?? "");
const about = {
  site: setup.site,
  url: `${location.origin.replace("http", "ws")}/ws/chat/`,
  language: setup.language,
  page: "",
  device: "",
};
let words = readWords();
let isShown = false;
let isDue = false;
let isSpeaking = false;
let told = "";
let toldNonce = "";
/** @type {() => void} */
let drawPage = () => {};
/** @type {() => void} */
let clearPage = () => {};
/** @type {Composer} */
let composer;

const memory = new Memory(setup.site);
const session = new Session(memory, about, (event) => {
  if (event === "left") clearPage();
  else if (event) host.tell(event);
  drawSoon();
});
const files = new Files(session, setup, () => words, drawSoon);
const host = new Host(setup.origins, (what, detail) => {
  if (what === "hello") begin(detail);
  else if (what === "show" || what === "hide") show(what === "show");
  else if (what === "identify") session.ask({ kind: "identify", identity: String(detail) });
  else if (what === "logout") session.logout();
});

/** Once for all that happens in one turn. */
function drawSoon() {
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    files.flush();
    drawPage();
    tellHost();
  });
}

function tellHost() {
  if (session.status !== "open") return;
  if (session.nonce !== toldNonce) host.tell("nonce", (toldNonce = session.nonce));
  const { unread, isOpen } = session.conversation;
  const now = `${unread} ${isOpen}`;
  if (now === told) return;
  host.tell("unread", unread);
  host.tell("under_way", isOpen);
  told = now;
}

/** @param {{page?: string, device?: string, theme?: string, isShown?: boolean}} detail */
function begin(detail) {
  about.page = String(detail.page ?? "").slice(0, 300);
  about.device = String(detail.device ?? "").slice(0, 20);
  if (detail.theme) document.documentElement.dataset.theme = detail.theme;
  by("close").hidden = !host.isThere;
  told = toldNonce = "";
  session.socket.open();
  show(!!detail.isShown);
  host.tell("ready");
}

/** @param {boolean} isNowShown */
function show(isNowShown) {
  isShown = isNowShown;
  look();
  if (isShown && matchMedia("(pointer: fine)").matches) composer.focus();
}

function look() {
  session.look(isShown && document.visibilityState === "visible");
}

/** Whether nothing has been begun yet, nor is on its way. */
function isFirst() {
  const isUnderWay = [...session.sending.unplaced, ...files.uploads].some((each) => each.refused === undefined);
  return !session.conversation.id && !isUnderWay;
}

/** Binds the parts to the page as it stands: once, and again in another language. */
function bind() {
  words = readWords();
  const talk = new Talk(session, files, words);
  const answers = new Answers(session, () => talk.follow());
  const ending = new Ending(session, files, words);
  const beginning = new Beginning(memory, words, (text, start) => isFirst() && session.post(text, start));
  composer = new Composer({
    memory,
    words,
    onText: (text) => post(text),
    onFiles: (chosen) => {
      const start = session.conversation.id ? {} : beginning.answers();
      if (!start) return;
      const isAnyFit = [...chosen].some((file) => !files.unfit(file));
      if (!session.conversation.id && isAnyFit) session.sending.begin(start);
      files.add(chosen);
    },
    onTyping: () => session.typing(),
  });
  by("close").onclick = () => host.tell("close");
  by("close").hidden = !host.isThere;
  by("language").onclick = speak;

  /** @param {string} text */
  function post(text) {
    const start = session.conversation.id ? {} : beginning.answers();
    if (start) session.post(text, start);
    return !!start;
  }

  clearPage = () => {
    files.forget();
    composer.clear();
    beginning.clear();
  };
  drawPage = () => {
    const { isEnded } = session.conversation;
    document.body.dataset.stage = isFirst() ? "first" : isEnded ? "ended" : "open";
    by("beginning").hidden = !isFirst();
    drawHead(session, words);
    ending.draw();
    // What was being written when the chat ended stays in sight; sent, it can begin a new one.
    by("composer").hidden = isEnded && !composer.hasWords;
    talk.draw();
    answers.draw();
    const said = session.isLost ? words.lost : session.status === "connecting" ? words.connecting : "";
    by("notice").classList.toggle("late", !!said);
    by("notice").hidden = !said && !session.refusal;
    write("notice", said || session.refusal);
  };
  drawSoon();
}

/** The same page in the other language; the conversation and the line stay. */
async function speak() {
  if (isSpeaking) return;
  isSpeaking = true;
  const language = about.language === "en" ? "zh" : "en";
  const answer = await fetch(`?language=${language}`, { credentials: "omit" }).catch(() => null);
  isSpeaking = false;
  if (!answer?.ok) {
    session.refuse(words.lost);
    return drawSoon();
  }
  // Our policy would complain of its style, which bears another answer's nonce; ours is in the page already.
  const html = (await answer.text()).replace(/<style.*?<\/style>/s, "");
  const page = new DOMParser().parseFromString(html, "text/html");
  document.documentElement.lang = page.documentElement.lang;
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
  about.language = language;
  session.socket.reopen();
  bind();
  by("language").focus();
}

document.addEventListener("visibilitychange", look);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  if (composer.fold()) composer.focus();
  else host.tell("close");
});
guardPresses();
bind();
if (!host.isThere) begin({ isShown: true });
