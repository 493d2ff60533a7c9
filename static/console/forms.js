/**
 * Guards every POST form of the staff pages. A form is sent with a fresh CSRF token, and only once for each press. After the
 * session has ended it is not sent at all, so that the typed text stays on the page.
 */

import { failureElement, refreshToken } from "./csrf-token.js";

/** @import { Freshness } from "./csrf-token.js" */

/**
 * After this time, the buttons are enabled again, because the page stays open if the answer to the POST is a download.
 */
const RESET_MS = 10_000;
/** The path endings of forms that need no session. */
const ANONYMOUS_PATHS = ["/login/", "/language/", "/logout/"];

/** @type {WeakSet<HTMLFormElement>} */
const busy = new WeakSet();

/** @param {HTMLFormElement} form @param {boolean} isBusy */
function setBusy(form, isBusy) {
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

/**
 * Returns the path of the form's action. It reads the attribute, because `form.action` may be an input named "action".
 *
 * @param {HTMLFormElement} form
 */
function pathOf(form) {
  return new URL(form.getAttribute("action") || location.href, location.href).pathname;
}

/** @param {HTMLFormElement} form */
function isAnonymous(form) {
  return ANONYMOUS_PATHS.some((suffix) => pathOf(form).endsWith(suffix));
}

/** @param {HTMLFormElement} form @param {Freshness} freshness */
function showFailure(form, freshness) {
  clearFailure(form);
  const failure = failureElement(freshness);
  failure.dataset.guard = "";
  const footer = form.querySelector(".form-foot, .submit-row");
  if (footer) footer.before(failure);
  else form.append(failure);
  failure.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLFormElement} form */
function clearFailure(form) {
  form.querySelector("[data-guard]")?.remove();
}

/**
 * Submits a form as the browser would, including the pressed button, but without another `submit` event.
 *
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} submitter
 */
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
async function submitWithToken(form, submitter) {
  const action = form.getAttribute("action");
  setBusy(form, true);
  clearFailure(form);
  const freshness = await refreshToken({ isAnonymous: isAnonymous(form) || form.hasAttribute("data-signed-out") });
  if (freshness !== "fresh") {
    setBusy(form, false);
    return showFailure(form, freshness);
  }
  send(form, submitter);
  setTimeout(() => reset(form, action), RESET_MS);
}

/** @param {HTMLFormElement} form @param {string | null} action */
function reset(form, action) {
  for (const field of form.querySelectorAll("[data-pressed]")) field.remove();
  if (action === null) form.removeAttribute("action");
  else form.setAttribute("action", action);
  setBusy(form, false);
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (event.defaultPrevented || form.method !== "post" || form.target === "_blank") return;
  event.preventDefault();
  if (!busy.has(form)) void submitWithToken(form, event.submitter);
});

// Enable the buttons: the back/forward cache restores the page as it was left, with its buttons disabled.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const form of document.forms) setBusy(form, false);
});

// Fetch a fresh token before each POST by htmx as well. Ignore a press while the previous request is still running.
document.addEventListener("htmx:confirm", (event) => {
  const { verb, elt, issueRequest, triggeringEvent } = /** @type {CustomEvent} */ (event).detail;
  if (verb !== "post") return;
  event.preventDefault();
  const form = elt instanceof HTMLFormElement ? elt : null;
  const isPress = triggeringEvent?.type === "submit";
  if (form && isPress && busy.has(form)) return;
  if (form && isPress) setBusy(form, true);
  void refreshToken().then((freshness) => {
    if (form) clearFailure(form);
    if (freshness === "fresh") return issueRequest(true);
    if (form) setBusy(form, false);
    if (form && isPress) showFailure(form, freshness);
  });
});
for (const name of ["htmx:afterRequest", "htmx:sendAbort"]) {
  document.addEventListener(name, (event) => {
    const { elt } = /** @type {CustomEvent} */ (event).detail;
    if (elt instanceof HTMLFormElement) setBusy(elt, false);
  });
}
