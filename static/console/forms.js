/**
 * Every form of staff that posts: it is sent with today's token, once for each press, and not at all while the session
 * has ended, so that nothing typed leaves the page for nothing.
 */

import { failureLine, refreshToken } from "./csrf-token.js";

/** A page that answers with a download stays: its buttons come back after this. */
const REST_MS = 10_000;
/** Forms that somebody may send who is not signed in. */
const FOR_ANYONE = ["/login/", "/language/", "/logout/"];

/** @type {WeakSet<HTMLFormElement>} */
const busy = new WeakSet();

/** @param {HTMLFormElement} form @param {boolean} isBusy */
function mark(form, isBusy) {
  if (isBusy) busy.add(form);
  else busy.delete(form);
  form.toggleAttribute("data-busy", isBusy);
  for (const button of buttonsOf(form)) {
    if (isBusy) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }
}

/** @param {HTMLFormElement} form */
function buttonsOf(form) {
  return [...form.elements].filter((element) => element instanceof HTMLElement && element.matches("[type=submit]"));
}

/** The action as an address; `form.action` may be a field of that name. @param {HTMLFormElement} form */
function pathOf(form) {
  return new URL(form.getAttribute("action") || location.href, location.href).pathname;
}

/** @param {HTMLFormElement} form */
function isForAnyone(form) {
  return FOR_ANYONE.some((end) => pathOf(form).endsWith(end));
}

/** @param {HTMLFormElement} form @param {import("./csrf-token.js").Freshness} freshness */
function showFailure(form, freshness) {
  clearFailure(form);
  const line = failureLine(freshness);
  line.dataset.guard = "";
  const foot = form.querySelector(".form-foot, .submit-row");
  if (foot) foot.before(line);
  else form.append(line);
  line.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLFormElement} form */
function clearFailure(form) {
  form.querySelector("[data-guard]")?.remove();
}

/** As the browser would send it, and without asking anybody a second time. @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
function send(form, submitter) {
  if (submitter instanceof HTMLButtonElement || submitter instanceof HTMLInputElement) {
    if (submitter.name) form.append(hidden(submitter.name, submitter.value));
    if (submitter.hasAttribute("formaction")) form.setAttribute("action", submitter.getAttribute("formaction") ?? "");
  }
  HTMLFormElement.prototype.submit.call(form);
}

/** @param {string} name @param {string} value */
function hidden(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  field.dataset.pressed = "";
  return field;
}

/** @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
async function check(form, submitter) {
  const action = form.getAttribute("action");
  mark(form, true);
  clearFailure(form);
  const freshness = await refreshToken({ isForAnyone: isForAnyone(form) || form.hasAttribute("data-signed-out") });
  if (freshness !== "fresh") {
    mark(form, false);
    return showFailure(form, freshness);
  }
  send(form, submitter);
  setTimeout(() => rest(form, action), REST_MS);
}

/** @param {HTMLFormElement} form @param {string | null} action */
function rest(form, action) {
  for (const field of form.querySelectorAll("[data-pressed]")) field.remove();
  if (action === null) form.removeAttribute("action");
  else form.setAttribute("action", action);
  mark(form, false);
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (event.defaultPrevented || form.method !== "post" || form.target === "_blank") return;
  event.preventDefault();
  if (!busy.has(form)) void check(form, event.submitter);
});

// The page comes back from the browser's memory as it was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.forms) mark(form, false);
});

// htmx: the same before each of its POSTs. A press while the one before is under way is left out.
document.addEventListener("htmx:confirm", (event) => {
  const { verb, elt, issueRequest, triggeringEvent } = /** @type {CustomEvent} */ (event).detail;
  if (verb !== "post") return;
  event.preventDefault();
  const form = elt instanceof HTMLFormElement ? elt : null;
  const isPress = triggeringEvent?.type === "submit";
  if (form && isPress && busy.has(form)) return;
  if (form && isPress) mark(form, true);
  void refreshToken().then((freshness) => {
    if (form) clearFailure(form);
    if (freshness === "fresh") return issueRequest(true);
    if (form) mark(form, false);
    if (form && isPress) showFailure(form, freshness);
  });
});
for (const name of ["htmx:afterRequest", "htmx:sendAbort"]) {
  document.addEventListener(name, (event) => {
    const { elt } = /** @type {CustomEvent} */ (event).detail;
    if (elt instanceof HTMLFormElement) mark(elt, false);
  });
}
