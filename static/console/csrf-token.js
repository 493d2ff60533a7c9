/**
 * Keeps the CSRF token of this page up to date. A sign-in in any tab replaces the token, so an open page must fetch the new
 * one. The page uses a new token only if the session still belongs to the staff member for whom the page was rendered.
 */

const WAIT_MS = 20_000;

/** @typedef {"fresh" | "signed_out" | "other" | "offline"} Freshness */

/** @returns {HTMLTemplateElement | null} the template in which the server put the failure texts of this page's forms */
function findGuard() {
  return /** @type {HTMLTemplateElement | null} */ (document.getElementById("form-guard"));
}

/** @returns {string} the newest token known to this page */
export function currentToken() {
  return document.body.dataset.token ?? "";
}

/**
 * Fetches the token and updates the places from which this page sends it: the body, `hx-headers` and the form fields.
 *
 * @param {{isAnonymous?: boolean}} [options] `isAnonymous`: the form needs no session (sign-in, language), so any
 *   session may own the token
 * @returns {Promise<Freshness>} why the form must not be sent, or "fresh"
 */
export async function refreshToken({ isAnonymous = false } = {}) {
  try {
    const signal = AbortSignal.timeout(WAIT_MS);
    const options = { headers: { Accept: "application/json" }, cache: /** @type {const} */ ("no-store"), signal };
    const guard = findGuard();
    const response = await fetch(guard?.dataset.tokenAddress ?? "/console/token", options);
    if (!response.ok) return "offline";
    const { token, staff } = await response.json();
    const owner = Number(guard?.dataset.staff ?? document.body.dataset.staff ?? 0);
    if (!isAnonymous && staff !== owner) return staff ? "other" : "signed_out";
    storeToken(token);
    return "fresh";
  } catch {
    return "offline";
  }
}

/** @param {string} token */
function storeToken(token) {
  if (document.body.dataset.token) document.body.dataset.token = token;
  if (document.body.hasAttribute("hx-headers")) {
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  }
  for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) {
    /** @type {HTMLInputElement} */ (field).value = token;
  }
}

/** Returns the text that explains why a form was not sent, "" for "fresh". @param {Freshness} freshness @returns {string} */
export function failureText(freshness) {
  return findGuard()?.dataset[{ fresh: "", signed_out: "signedOut", other: "other", offline: "offline" }[freshness]] ?? "";
}

/** Creates the element that explains why a form was not sent, with a link to sign in unless "offline". @param {Freshness} freshness */
export function failureElement(freshness) {
  const element = /** @type {HTMLElement} */ (findGuard()?.content.firstElementChild?.cloneNode(true));
  /** @type {HTMLElement} */ (element.querySelector(".form-failed-text")).textContent = failureText(freshness);
  if (freshness === "offline") element.querySelector("a")?.remove();
  return element;
}
