/** Creates the HTML elements of messages, for the widget and the console. Strings are inserted as text, never as HTML. */

import { icon, make, makeButton } from "./dom.js";
import { linkParts } from "./links.js";
import { fill } from "./ui-strings.js";

const PICTURE_PX = 240;
const GROUP_MS = 3 * 60_000;
const STATUS_ICONS = { sending: "clock", sent: "check", delivered: "checks", read: "checks", refused: "alert" };

/**
 * Creates the heading with the day above a message. `nameDays` writes its text. Returns null if the message before is from
 * the same day.
 *
 * @param {ChatMessage} message
 * @param {ChatMessage} [previous]
 * @returns {HTMLElement | null}
 */
export function dayElement(message, previous) {
  if (previous && isSameDay(new Date(message.at), new Date(previous.at))) return null;
  const time = make("time", "day");
  time.dateTime = message.at;
  return time;
}

/**
 * Writes the texts of all day headings in a message log, such as "today". Call it again after midnight.
 *
 * @param {HTMLElement} log
 * @param {number} now the server's time in ms since 1970: the reader's clock may be wrong
 * @param {{language: string, words: ChatWords}} options
 */
export function nameDays(log, now, { language, words }) {
  const today = new Date(now);
  const yesterday = new Date(now);
  yesterday.setDate(today.getDate() - 1);
  for (const day of /** @type {NodeListOf<HTMLTimeElement>} */ (log.querySelectorAll(".day"))) {
    const at = new Date(day.dateTime);
    const name = isSameDay(at, today)
      ? words.today
      : isSameDay(at, yesterday)
        ? words.yesterday
        : at.toLocaleDateString(language, { dateStyle: "full" });
    if (day.textContent !== name) day.textContent = name;
  }
}

/**
 * Creates the element of a message.
 *
 * UI strings used: you, number ("No. {number}"), choices, map, today, yesterday, and one for each status.
 *
 * @param {ChatMessage} message
 * @param {MessageOptions} options
 * @returns {HTMLElement}
 */
export function messageElement(message, options) {
  const { words, language, conversation, mine = false, previous, status } = options;
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
  const author = mine ? words.you : message.name;
  const about = make("p", starts ? "about" : "about unseen", make("bdi", "author", author));
  if (message.number) about.append(" ", make("span", "number", fill(words.number, { number: message.number })));
  about.append(" ", timeElement(message.at, language));
  const { choices, card } = message.payload ?? {};
  const isPlace = card === "place";
  element.append(about, message.type === "attachment" ? fileElement(message, options) : isPlace ? placeElement(message.body, words) : bodyElement(message.body));
  if (choices && options.onChoice) element.append(choicesElement(choices, options));
  if (status) showStatus(element, status, words);
  return element;
}

/**
 * Shows a status below a message. The status "" removes it.
 *
 * @param {HTMLElement} element of a message
 * @param {MessageStatus | ""} status
 * @param {ChatWords} words
 */
export function showStatus(element, status, words) {
  const shown = element.querySelector(":scope > .status");
  if (!status) return shown?.remove();
  if (shown instanceof HTMLElement && shown.dataset.status === status) return;
  const paragraph = make("p", "status", icon(STATUS_ICONS[status]), words[status]);
  paragraph.dataset.status = status;
  if (shown) shown.replaceWith(paragraph);
  else element.append(paragraph);
}

/** @param {string} text @returns {HTMLParagraphElement} the text, with its addresses as links */
export function bodyElement(text) {
  const body = make("p", "body", ...linkParts(text).map(({ text: words, href }) => (href ? linkElement(words, href) : words)));
  body.dir = "auto";
  return body;
}

/** A branch or a cash machine: its name, its details, and a button that opens the map. @param {string} text @param {ChatWords} words */
function placeElement(text, words) {
  const [name, ...lines] = text.split("\n");
  const body = bodyElement(lines.join("\n"));
  // Only a line with nothing but an address becomes the button, so that no other text is hidden.
  const map = [...body.querySelectorAll("a")].find((link) => lines.includes(link.textContent ?? ""));
  if (map) {
    map.title = map.href;
    map.textContent = words.map;
    map.className = "map";
  }
  body.prepend(make("strong", "", name), "\n");
  body.classList.add("place");
  return body;
}

/** @param {string} words @param {string} href */
function linkElement(words, href) {
  const link = make("a", "", words);
  link.href = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  return link;
}

/** @param {ChatMessage} message @param {MessageOptions} options */
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
function choicesElement(choices, { onChoice, words }) {
  const group = make("div", "choices");
  group.role = "group";
  group.ariaLabel = words.choices;
  for (const choice of choices.slice(0, 4)) {
    const choose = () => {
      // Disable all choices after a click, because only one can be sent.
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

/** @param {ChatMessage} one @param {ChatMessage} next */
function isSameGroup(one, next) {
  return (
    one.type !== "event" && one.role === next.role && one.name === next.name &&
    Date.parse(next.at) - Date.parse(one.at) < GROUP_MS
  );
}
