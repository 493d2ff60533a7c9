/** Creates the HTML elements of messages, for the widget and the console. Strings are inserted as text, never as HTML. */

import { icon, make, makeButton, setText } from "./dom.js";
import { linkedText } from "./links.js";
import { fill } from "./ui-strings.js";

/** @import { MessageData } from "./frames.d.ts" */
/** @import { UiStrings } from "./ui-strings.js" */

/** The delivery status of a message that the reader of the screen wrote. @typedef {"sending" | "sent" | "delivered" | "read" | "refused"} MessageStatus */
/**
 * @typedef {object} MessageOptions
 * @property {UiStrings} strings
 * @property {string} language
 * @property {string} [conversation] the id of the conversation, for the element's id
 * @property {boolean} [mine]
 * @property {MessageData} [previous] the message before this one; it decides whether name and time are shown again
 * @property {MessageStatus} [status]
 * @property {(message: MessageData) => string | Promise<string>} [fileUrl] returns the URL of an attachment's file, or a
 *   promise of one (of a blob fetched with the visitor's token)
 * @property {(text: string) => void} [onChoice] if given, the choices of a quick reply are shown as buttons
 */

const PICTURE_PX = 240;
const GROUP_MS = 3 * 60_000;
const STATUS_ICONS = { sending: "clock", sent: "check", delivered: "checks", read: "checks", refused: "alert" };

/**
 * Creates the heading with the day above a message. `nameDays` writes its text. Returns null if `previous` is from the
 * same day.
 *
 * @param {MessageData} message
 * @param {MessageData} [previous]
 * @returns {HTMLElement | null}
 */
export function dayElement(message, previous) {
  if (previous && isSameDay(new Date(message.at), new Date(previous.at))) return null;
  const time = make("time", "day");
  time.dateTime = message.at;
  return time;
}

/**
 * Writes the texts of all day headings in a message log. Call it again after midnight.
 *
 * UI strings used: today, yesterday.
 *
 * @param {HTMLElement} log
 * @param {number} now the server's time in ms since 1970, because the reader's clock may be wrong
 * @param {{language: string, strings: UiStrings}} options
 */
export function nameDays(log, now, { language, strings }) {
  const today = new Date(now);
  const yesterday = new Date(now);
  yesterday.setDate(today.getDate() - 1);
  for (const day of /** @type {NodeListOf<HTMLTimeElement>} */ (log.querySelectorAll(".day"))) {
    const at = new Date(day.dateTime);
    const name = isSameDay(at, today)
      ? strings.today
      : isSameDay(at, yesterday)
        ? strings.yesterday
        : at.toLocaleDateString(language, { dateStyle: "full" });
    setText(day, name);
  }
}

/**
 * Creates the element of a message.
 *
 * UI strings used: you, number ("No. {number}"), choices, map, and one for each status.
 *
 * @param {MessageData} message
 * @param {MessageOptions} options
 * @returns {HTMLElement}
 */
export function messageElement(message, options) {
  const { strings, language, conversation, mine = false, previous, status } = options;
  const isEvent = message.type === "event";
  const element = make("div", `message ${isEvent ? "event" : mine ? "mine" : "theirs"}`);
  if (conversation) element.id = `message-${conversation}-${message.seq}`;
  element.dataset.seq = String(message.seq);
  if (isEvent) {
    element.append(make("p", "body", message.body), timeElement(message.at, language));
    return element;
  }
  const starts = !previous || !isSameGroup(previous, message);
  if (starts) element.classList.add("first");
  const author = mine ? strings.you : message.name;
  const about = make("p", starts ? "about" : "about unseen", make("bdi", "author", author));
  if (message.number) about.append(" ", make("span", "number", fill(strings.number, { number: message.number })));
  about.append(" ", timeElement(message.at, language));
  const { choices, card } = message.payload ?? {};
  const isBranch = card === "place";
  element.append(about, message.type === "attachment" ? fileElement(message, options) : isBranch ? branchElement(message.body, strings) : bodyElement(message.body));
  if (choices && options.onChoice) element.append(choicesElement(choices, options));
  if (status) showStatus(element, status, strings);
  return element;
}

/**
 * Shows a status below a message. The status "" removes it.
 *
 * @param {HTMLElement} element of a message
 * @param {MessageStatus | ""} status
 * @param {UiStrings} strings
 */
export function showStatus(element, status, strings) {
  const shown = element.querySelector(":scope > .status");
  if (!status) return shown?.remove();
  if (shown instanceof HTMLElement && shown.dataset.status === status) return;
  const paragraph = make("p", "status", icon(STATUS_ICONS[status]), strings[status]);
  paragraph.dataset.status = status;
  if (shown) shown.replaceWith(paragraph);
  else element.append(paragraph);
}

/** @param {string} text @returns {HTMLParagraphElement} the text, with its addresses as links */
export function bodyElement(text) {
  const body = make("p", "body", ...linkedText(text));
  body.dir = "auto";
  return body;
}

/** Creates the element of a branch or cash machine: name, details, and a button that opens the map. @param {string} text @param {UiStrings} strings */
function branchElement(text, strings) {
  const [name, ...lines] = text.split("\n");
  const body = bodyElement(lines.join("\n"));
  // Only a line that contains nothing but an address becomes the map button, so that no other text is hidden.
  const map = [...body.querySelectorAll("a")].find((link) => lines.includes(link.textContent ?? ""));
  if (map) {
    map.title = map.href;
    map.textContent = strings.map;
    map.className = "map";
  }
  body.prepend(make("strong", "", name), "\n");
  body.classList.add("branch");
  return body;
}

/** @param {MessageData} message @param {MessageOptions} options */
function fileElement(message, { fileUrl, language }) {
  const { content_type = "", size = 0, width, height } = message.payload ?? {};
  const link = make("a", "body file");
  link.target = "_blank";
  link.rel = "noopener";
  link.href = "#";
  const showName = () => link.replaceChildren(icon("file"), make("bdi", "name", message.body));
  if (content_type.startsWith("image/")) {
    const image = make("img");
    image.alt = message.body;
    // Reserve the space, so that the layout does not shift when the picture arrives.
    const scale = Math.min(1, PICTURE_PX / (width ?? 0), PICTURE_PX / (height ?? 0));
    if (width && height) [image.width, image.height] = [width * scale, height * scale];
    link.classList.add("picture");
    const load = async () => {
      link.replaceChildren(image);
      try {
        image.src = link.href = (await fileUrl?.(message)) ?? "";
      } catch {
        showName();
      }
    };
    // If the picture cannot be loaded, show its name. A click loads it again.
    image.onerror = showName;
    link.onclick = (event) => {
      if (image.isConnected) return;
      event.preventDefault();
      void load();
    };
    void load();
    return link;
  }
  showName();
  link.append(make("span", "size", `${Math.ceil(size / 1024).toLocaleString(language)} KB`));
  link.download = message.body;
  link.onclick = async (event) => {
    if (link.getAttribute("href") !== "#" || !fileUrl) return;
    event.preventDefault();
    link.href = await fileUrl(message);
    link.click();
  };
  return link;
}

/** @param {string[]} choices @param {MessageOptions} options */
function choicesElement(choices, { onChoice, strings }) {
  const group = make("div", "choices");
  group.role = "group";
  group.ariaLabel = strings.choices;
  for (const choice of choices.slice(0, 4)) {
    const choose = () => {
      // Disable all choices after a click, because only one of them can be sent.
      for (const button of group.querySelectorAll("button")) button.disabled = true;
      onChoice?.(choice);
    };
    group.append(makeButton(make("bdi", "", choice), choose, "choice"));
  }
  return group;
}

/** @param {string} at @param {string} language */
function timeElement(at, language) {
  const date = new Date(at);
  const time = make("time");
  time.textContent = date.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  time.dateTime = at;
  time.title = date.toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
  return time;
}

/** @param {Date} one @param {Date} other */
function isSameDay(one, other) {
  return one.toDateString() === other.toDateString();
}

/** @param {MessageData} one @param {MessageData} next */
function isSameGroup(one, next) {
  return (
    one.type !== "event" && one.role === next.role && one.name === next.name &&
    Date.parse(next.at) - Date.parse(one.at) < GROUP_MS
  );
}
