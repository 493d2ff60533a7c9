/** The room in which a paper is written: the clock, the questions one by one or all at once, saving, handing in. */

import { fill, readWords } from "../../chat/ui-strings.js";
import { Answers } from "./exam-answers.js";
import { ExamClock } from "./exam-clock.js";
import { Question } from "./question.js";
import { get, post } from "../requests.js";

const MODE = "exam-mode";
const SHORT_MS = 5 * 60_000;
const RETRY_MS = 3_000;

const words = readWords();
const sheets = byId("sheets");
const paper = byId("main").dataset.paper ?? "";
const clockLine = byId("clock");
const clock = new ExamClock(Number(clockLine.dataset.left), {
  ask: async () => {
    const answer = await get(`exams/papers/${paper}/clock`);
    return answer.ok ? answer.data : null;
  },
  onOver: () => void handIn({ isByClock: true }),
});
// The tabs of one paper show each other's answers.
const others = new BroadcastChannel(`lianxin-exam-${paper}`);
let isOver = false;
let isSignedOut = false;
let wasShort = false;
let current = 0;

const answers = new Answers(paper, {
  send: (answer) => post(`exams/papers/${paper}/answers`, answer),
  storage: storage("sessionStorage"),
  onChange: drawSaved,
  onOver: () => void clock.sync(),
  onAccepted: (place, said) => {
    clock.correct(said.left_ms);
    if (said.is_newer) {
      show(place, said.given);
      announce(fill(words.newer_elsewhere, { place }));
    } else others.postMessage({ place, ...said });
  },
  onSignedOut: () => {
    isSignedOut = true;
    drawSaved();
  },
});
const questions = [...sheets.querySelectorAll(".question")].map((box) => {
  const question = new Question(/** @type {HTMLElement} */ (box), {
    onAnswer: () => answered(question),
    onMoved: (place) => announce(fill(words.moved, { place })),
  });
  return question;
});
for (const question of questions) {
  answers.saw(question.place, Number(question.box.dataset.revision));
  const kept = answers.kept.get(question.place);
  if (kept !== undefined) question.given = kept;
}
const places = /** @type {HTMLElement[]} */ ([...byId("places").children]);

/** @param {Question} question */
function answered(question) {
  if (isOver) return;
  answers.put(question.place, question.given);
  drawPlaces();
}

function drawSaved() {
  const line = byId("saved");
  const isSaved = !answers.waiting;
  if (isSaved) isSignedOut = false;
  line.dataset.state = isSaved ? "saved" : "unsaved";
  const said = isOver ? line.textContent : isSaved ? words.saved : isSignedOut ? words.signed_out : words.unsaved;
  if (line.textContent !== said) line.textContent = said;
}

function drawPlaces() {
  let count = 0;
  questions.forEach((question, index) => {
    const isAnswered = question.given !== null;
    count += Number(isAnswered);
    places[index].toggleAttribute("data-answered", isAnswered);
    places[index].toggleAttribute("aria-current", index === current);
    question.box.toggleAttribute("data-current", index === current);
  });
  byId("progress").textContent = fill(words.answered, { count, all: questions.length });
  /** @type {HTMLButtonElement} */ (byId("previous")).disabled = current === 0;
  /** @type {HTMLButtonElement} */ (byId("next")).disabled = current === questions.length - 1;
}

/** @param {number} index */
function go(index) {
  if (index < 0 || index >= questions.length) return;
  current = index;
  drawPlaces();
  const { box } = questions[index];
  if (sheets.dataset.mode === "all") box.scrollIntoView({ block: "start" });
  questions[index].focus();
}

/** Puts an answer on the screen that was given elsewhere. @param {number} place @param {any[] | null} given */
function show(place, given) {
  const question = questions.find((each) => each.place === place);
  if (question) question.given = given;
  drawPlaces();
}

/** @param {string} mode */
function showMode(mode) {
  sheets.dataset.mode = mode;
  for (const button of document.querySelectorAll("[data-mode][aria-pressed]")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.mode === mode));
  }
  storage("localStorage")?.setItem(MODE, mode);
}

function tick() {
  const { left } = clock;
  const seconds = Math.ceil(left / 1000);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  clockLine.textContent = fill(words.time_left, { time });
  if (left <= SHORT_MS) {
    clockLine.dataset.is = "short";
    if (!wasShort && left > 0) announce(words.five_minutes);
    wasShort = true;
  }
  if (!isOver) clock.tick();
}

/**
 * Hands in what is here, until the server has taken it; after the time is over it counts what it has saved.
 *
 * @param {{isByClock?: boolean}} [options] nobody has pressed, the server says that the time is over
 */
async function handIn({ isByClock = false } = {}) {
  if (isOver) return;
  isOver = true;
  for (const { box } of questions) /** @type {HTMLFieldSetElement} */ (box).disabled = true;
  const line = byId("saved");
  if (isByClock) line.textContent = words.time_over;
  for (;;) {
    // Only what is not accepted yet: another tab may hold newer answers than this one.
    const data = { answers: answers.unsent, is_by_clock: isByClock };
    const answer = await post(`exams/papers/${paper}/hand-in`, data);
    if (answer.ok) {
      answers.forget();
      return location.assign(answer.data.result);
    }
    line.dataset.state = "unsaved";
    line.textContent = answer.status === 401 ? words.signed_out : answer.refused?.words ?? words.not_handed_in;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** @param {string} said */
function announce(said) {
  byId("announce").textContent = said;
}

/** @param {"localStorage" | "sessionStorage"} name @returns {Storage | undefined} none where it is blocked */
function storage(name) {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

const dialog = /** @type {HTMLDialogElement} */ (byId("finish-dialog"));
byId("finish").onclick = () => {
  const missing = questions.filter((question) => question.given === null).length;
  byId("finish-words").textContent = missing ? fill(words.some_missing, { count: missing }) : words.all_answered;
  dialog.showModal();
};
byId("finish-no").onclick = () => dialog.close();
byId("finish-yes").onclick = () => {
  dialog.close();
  void handIn();
};
byId("previous").onclick = () => go(current - 1);
byId("next").onclick = () => go(current + 1);
byId("places").onclick = (event) => {
  const index = places.indexOf(/** @type {HTMLElement} */ (event.target));
  if (index >= 0) go(index);
};
document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-mode][aria-pressed]");
  if (button instanceof HTMLElement) showMode(button.dataset.mode ?? "one");
});
sheets.addEventListener("focusin", (event) => {
  const index = questions.findIndex(({ box }) => box.contains(/** @type {Node} */ (event.target)));
  if (index < 0 || index === current) return;
  current = index;
  drawPlaces();
});
document.addEventListener("keydown", (event) => {
  if (isOver || dialog.open || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const isEnter = event.key === "Enter" && !target.closest("button, a");
  const isPage = sheets.dataset.mode === "one" && (event.key === "PageDown" || event.key === "PageUp");
  if (isEnter || isPage) {
    event.preventDefault();
    go(current + (event.key === "PageUp" || (isEnter && event.shiftKey) ? -1 : 1));
  } else if (/^[1-9]$/.test(event.key) && !target.closest(".filling")) {
    questions[current].choose(Number(event.key));
  }
});
// The next page may have been drawn before what is on its way now was saved.
addEventListener("beforeunload", () => answers.hold());
for (const [target, name] of /** @type {[EventTarget, string][]} */ ([
  [window, "online"],
  [window, "pageshow"],
  [window, "focus"],
  [document, "visibilitychange"],
])) {
  target.addEventListener(name, () => {
    void answers.flush();
    if (!isOver) void clock.sync();
  });
}
others.onmessage = ({ data: { place, given, revision } }) => {
  answers.saw(place, revision);
  if (!answers.kept.has(place) && !isOver) show(place, given);
};

showMode(storage("localStorage")?.getItem(MODE) ?? "one");
drawPlaces();
drawSaved();
tick();
setInterval(tick, 1000);
void answers.flush();
