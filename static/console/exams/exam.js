/** The page on which an examinee writes an exam paper: clock, questions one by one or all at once, saving, handing in. */

import { byId, setText } from "../../chat/dom.js";
import { fill, readUiStrings } from "../../chat/ui-strings.js";
import { ExamAnswers } from "./exam-answers.js";
import { ExamClock } from "./exam-clock.js";
import { Question } from "./question.js";
import { get, post } from "../requests.js";

/** @import { ConsoleAnswer } from "../requests.js" */
/** @import { Given } from "./exam-answers.js" */

const MODE_KEY = "exam-mode";
const WARNING_MS = 5 * 60_000;
const RETRY_MS = 3_000;

const strings = readUiStrings();
const questionsElement = byId("sheets");
const paper = byId("main").dataset.paper ?? "";
const clockElement = byId("clock");
const clock = new ExamClock(Number(clockElement.dataset.left), {
  ask: async () => {
    /** @type {ConsoleAnswer<{left_ms: number, is_over: boolean}>} */
    const answer = await get(`exams/papers/${paper}/clock`);
    return answer.ok ? answer.data : null;
  },
  onOver: () => void handIn({ isByClock: true }),
});
// Tabs with the same paper tell each other their answers.
const otherTabs = new BroadcastChannel(`lianxin-exam-${paper}`);
let isOver = false;
let isSignedOut = false;
let hasWarned = false;
let current = 0;

const answers = new ExamAnswers(paper, {
  send: (answer) => post(`exams/papers/${paper}/answers`, answer),
  storage: storage("sessionStorage"),
  onChange: drawSaved,
  onOver: () => void clock.sync(),
  onAccepted: (place, accepted) => {
    clock.correct(accepted.left_ms);
    if (accepted.is_newer) {
      showAnswer(place, accepted.given);
      announce(fill(strings.newer_elsewhere, { place }));
    } else otherTabs.postMessage({ place, ...accepted });
  },
  onSignedOut: () => {
    isSignedOut = true;
    drawSaved();
  },
});
const questions = [...questionsElement.querySelectorAll(".question")].map((element) => {
  const question = new Question(/** @type {HTMLElement} */ (element), {
    onAnswer: () => saveAnswer(question),
    onMoved: (position) => announce(fill(strings.moved, { place: position })),
  });
  return question;
});
for (const question of questions) {
  answers.setRevision(question.place, Number(question.element.dataset.revision));
  const stored = answers.stored.get(question.place);
  if (stored !== undefined) question.given = stored;
}
const questionButtons = /** @type {HTMLElement[]} */ ([...byId("places").children]);

/** @param {Question} question */
function saveAnswer(question) {
  if (isOver) return;
  answers.put(question.place, question.given);
  drawProgress();
}

function drawSaved() {
  const status = byId("saved");
  const isSaved = !answers.waiting;
  if (isSaved) isSignedOut = false;
  status.dataset.state = isSaved ? "saved" : "unsaved";
  const text = isOver ? status.textContent : isSaved ? strings.saved : isSignedOut ? strings.signed_out : strings.unsaved;
  setText(status, text);
}

function drawProgress() {
  let count = 0;
  questions.forEach((question, index) => {
    const isAnswered = question.given !== null;
    count += Number(isAnswered);
    questionButtons[index].toggleAttribute("data-answered", isAnswered);
    questionButtons[index].toggleAttribute("aria-current", index === current);
    question.element.toggleAttribute("data-current", index === current);
  });
  byId("progress").textContent = fill(strings.answered, { count, all: questions.length });
  /** @type {HTMLButtonElement} */ (byId("previous")).disabled = current === 0;
  /** @type {HTMLButtonElement} */ (byId("next")).disabled = current === questions.length - 1;
}

/** @param {number} index */
function goTo(index) {
  if (index < 0 || index >= questions.length) return;
  current = index;
  drawProgress();
  const { element } = questions[index];
  if (questionsElement.dataset.mode === "all") element.scrollIntoView({ block: "start" });
  questions[index].focus();
}

/** Shows an answer that was given in another tab or window. @param {number} place @param {Given} given */
function showAnswer(place, given) {
  const question = questions.find((candidate) => candidate.place === place);
  if (question) question.given = given;
  drawProgress();
}

/** @param {string} mode */
function showMode(mode) {
  questionsElement.dataset.mode = mode;
  for (const button of document.querySelectorAll("[data-mode][aria-pressed]")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.mode === mode));
  }
  storage("localStorage")?.setItem(MODE_KEY, mode);
}

function tick() {
  const { left } = clock;
  const seconds = Math.ceil(left / 1000);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  clockElement.textContent = fill(strings.time_left, { time });
  if (left <= WARNING_MS) {
    clockElement.dataset.is = "short";
    if (!hasWarned && left > 0) announce(strings.five_minutes);
    hasWarned = true;
  }
  if (!isOver) clock.tick();
}

/**
 * Hands in the paper, and retries until the server has accepted it. If the time is over, only the answers that the server
 * has already saved count.
 *
 * @param {{isByClock?: boolean}} [options] `isByClock`: the page hands in by itself, because the time is over
 */
async function handIn({ isByClock = false } = {}) {
  if (isOver) return;
  isOver = true;
  for (const { element } of questions) /** @type {HTMLFieldSetElement} */ (element).disabled = true;
  const status = byId("saved");
  if (isByClock) status.textContent = strings.time_over;
  for (;;) {
    // Send only answers that are not accepted yet: another tab may have newer answers than this one.
    const data = { answers: answers.unsent, is_by_clock: isByClock };
    /** @type {ConsoleAnswer<{result: string}>} */
    const answer = await post(`exams/papers/${paper}/hand-in`, data);
    if (answer.ok) {
      answers.forget();
      return location.assign(answer.data.result);
    }
    status.dataset.state = "unsaved";
    status.textContent = answer.status === 401 ? strings.signed_out : answer.refused?.words ?? strings.not_handed_in;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Announces a text to screen readers. @param {string} text */
function announce(text) {
  byId("announce").textContent = text;
}

/** @param {"localStorage" | "sessionStorage"} name @returns {Storage | undefined} undefined if it is blocked */
function storage(name) {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

const dialog = /** @type {HTMLDialogElement} */ (byId("finish-dialog"));
byId("finish").onclick = () => {
  const missing = questions.filter((question) => question.given === null).length;
  byId("finish-text").textContent = missing ? fill(strings.some_missing, { count: missing }) : strings.all_answered;
  dialog.showModal();
};
byId("finish-no").onclick = () => dialog.close();
byId("finish-yes").onclick = () => {
  dialog.close();
  void handIn();
};
byId("previous").onclick = () => goTo(current - 1);
byId("next").onclick = () => goTo(current + 1);
byId("places").onclick = (event) => {
  const index = questionButtons.indexOf(/** @type {HTMLElement} */ (event.target));
  if (index >= 0) goTo(index);
};
document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-mode][aria-pressed]");
  if (button instanceof HTMLElement) showMode(button.dataset.mode ?? "one");
});
questionsElement.addEventListener("focusin", (event) => {
  const index = questions.findIndex(({ element }) => element.contains(/** @type {Node} */ (event.target)));
  if (index < 0 || index === current) return;
  current = index;
  drawProgress();
});
document.addEventListener("keydown", (event) => {
  if (isOver || dialog.open || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const isEnter = event.key === "Enter" && !target.closest("button, a");
  const isPage = questionsElement.dataset.mode === "one" && (event.key === "PageDown" || event.key === "PageUp");
  if (isEnter || isPage) {
    event.preventDefault();
    goTo(current + (event.key === "PageUp" || (isEnter && event.shiftKey) ? -1 : 1));
  } else if (/^[1-9]$/.test(event.key) && !target.closest(".filling")) {
    questions[current].choose(Number(event.key));
  }
});
// The server might render the next page before it has saved answers in flight. Keep these answers, so that the next
// page sends them again.
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
otherTabs.onmessage = ({ data: { place, given, revision } }) => {
  answers.setRevision(place, revision);
  if (!answers.stored.has(place) && !isOver) showAnswer(place, given);
};

showMode(storage("localStorage")?.getItem(MODE_KEY) ?? "one");
drawProgress();
drawSaved();
tick();
setInterval(tick, 1000);
void answers.flush();
