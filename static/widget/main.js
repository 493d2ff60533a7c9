/** Connects the parts of the widget: the session, the page's parts, and the bank's page around the frame. */

import { byId, setText } from "../chat/dom.js";
import { guardPresses } from "../chat/double-click-guard.js";
import { readUiStrings } from "../chat/ui-strings.js";
import { Suggestions } from "./suggestions.js";
import { PreChatForm } from "./pre-chat-form.js";
import { Composer } from "./composer.js";
import { AfterChat } from "./after-chat.js";
import { Files } from "./files.js";
import { drawHeader } from "./header.js";
import { HostPage } from "./host-page.js";
import { BrowserStorage } from "./storage.js";
import { Session } from "./session.js";
import { MessageList } from "./message-list.js";

/** @type {{site: string, language: string, origins: string[], types: string[], megabytes: number}} */
const setup = JSON.parse(byId("setup").textContent ?? "");
const about = {
  site: setup.site,
  url: `${location.origin.replace("http", "ws")}/ws/chat/`,
  language: setup.language,
  page: "",
  device: "",
};
let strings = readUiStrings();
let isShown = false;
let isDue = false;
let isSwitching = false;
let sentStatus = "";
let sentNonce = "";
/** @type {() => void} */
let drawPage = () => {};
/** @type {() => void} */
let clearPage = () => {};
/** @type {Composer} */
let composer;

const storage = new BrowserStorage(setup.site);
const session = new Session(storage, about, (event) => {
  if (event === "left") clearPage();
  else if (event) host.send(event);
  drawSoon();
});
const files = new Files(session, setup, () => strings, drawSoon);
const host = new HostPage(setup.origins, (name, detail) => {
  if (name === "hello") begin(detail);
  else if (name === "show" || name === "hide") show(name === "show");
  else if (name === "identify") session.request({ kind: "identify", identity: String(detail) });
  else if (name === "logout") session.logout();
});

/** Redraws once for all changes of the current task. */
function drawSoon() {
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    files.flush();
    drawPage();
    updateHost();
  });
}

/** Tells the bank's page the nonce, the unread count, and whether a conversation is open, if one of them has changed. */
function updateHost() {
  if (session.status !== "open") return;
  if (session.nonce !== sentNonce) host.send("nonce", (sentNonce = session.nonce));
  const { unread, isOpen } = session.conversation;
  const status = `${unread} ${isOpen}`;
  if (status === sentStatus) return;
  host.send("unread", unread);
  host.send("under_way", isOpen);
  sentStatus = status;
}

/** @param {{page?: string, device?: string, theme?: string, isShown?: boolean}} detail */
function begin(detail) {
  about.page = String(detail.page ?? "").slice(0, 300);
  about.device = String(detail.device ?? "").slice(0, 20);
  if (detail.theme) document.documentElement.dataset.theme = detail.theme;
  byId("close").hidden = !host.isFramed;
  sentStatus = sentNonce = "";
  session.socket.open();
  show(!!detail.isShown);
  host.send("ready");
}

/** @param {boolean} isNowShown */
function show(isNowShown) {
  isShown = isNowShown;
  updateVisibility();
  if (isShown && matchMedia("(pointer: fine)").matches) composer.focus();
}

function updateVisibility() {
  session.setVisible(isShown && document.visibilityState === "visible");
}

/**
 * Whether there is no conversation yet, and no message or file that will start one is being sent.
 */
function isFirst() {
  const isUnderWay = [...session.sender.unplaced, ...files.uploads].some((entry) => entry.refused === undefined);
  return !session.conversation.id && !isUnderWay;
}

/**
 * Creates the objects that handle the elements of the page: once at the start, and again after a change of the
 * language.
 */
function bind() {
  strings = readUiStrings();
  const messageList = new MessageList(session, files, strings);
  const suggestions = new Suggestions(session, () => messageList.stayAtEnd());
  const afterChat = new AfterChat(session, files, strings);
  const preChatForm = new PreChatForm(storage, strings, (text, start) => isFirst() && session.post(text, start));
  composer = new Composer({
    storage,
    strings,
    onText: (text) => post(text),
    onFiles: (chosen) => {
      const start = session.conversation.id ? {} : preChatForm.answers();
      if (!start) return;
      const isAnyAllowed = [...chosen].some((file) => !files.problemOf(file));
      if (!session.conversation.id && isAnyAllowed) session.sender.start(start);
      files.add(chosen);
    },
    onTyping: () => session.typing(),
  });
  byId("close").onclick = () => host.send("close");
  byId("close").hidden = !host.isFramed;
  byId("language").onclick = switchLanguage;

  /** @param {string} text */
  function post(text) {
    const start = session.conversation.id ? {} : preChatForm.answers();
    if (start) session.post(text, start);
    return !!start;
  }

  clearPage = () => {
    files.forget();
    composer.clear();
    preChatForm.clear();
  };
  drawPage = () => {
    const { isEnded } = session.conversation;
    document.body.dataset.stage = isFirst() ? "first" : isEnded ? "ended" : "open";
    byId("beginning").hidden = !isFirst();
    drawHeader(session, strings);
    afterChat.draw();
    // Text that was being written when the conversation ended stays visible; sending it starts a new conversation.
    byId("composer").hidden = isEnded && !composer.hasText;
    messageList.draw();
    suggestions.draw();
    const problem = session.isLost ? strings.lost : session.status === "connecting" ? strings.connecting : "";
    byId("notice").classList.toggle("late", !!problem);
    byId("notice").hidden = !problem && !session.refusal;
    setText(byId("notice"), problem || session.refusal);
  };
  drawSoon();
}

/** Loads the page in the other language and keeps the conversation. */
async function switchLanguage() {
  if (isSwitching) return;
  isSwitching = true;
  const language = about.language === "en" ? "zh" : "en";
  const answer = await fetch(`?language=${language}`, { credentials: "omit" }).catch(() => null);
  isSwitching = false;
  if (!answer?.ok) {
    session.refuse(strings.lost);
    return drawSoon();
  }
  // Remove the inline style: its nonce belongs to another response, so our content security policy would report it.
  const html = (await answer.text()).replace(/<style.*?<\/style>/s, "");
  const page = new DOMParser().parseFromString(html, "text/html");
  document.documentElement.lang = page.documentElement.lang;
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
  about.language = language;
  session.socket.reopen();
  bind();
  byId("language").focus();
}

document.addEventListener("visibilitychange", updateVisibility);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || document.querySelector("dialog[open]")) return;
  if (composer.closeEmoji()) composer.focus();
  else host.send("close");
});
guardPresses();
bind();
if (!host.isFramed) begin({ isShown: true });
