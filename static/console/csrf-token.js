/**
 * The token against forgery of this page. Signing in, in any tab, replaces it, so an open page has to read it anew; it
 * does so only for the person for whom the page was drawn.
 */

const WAIT_MS = 20_000;

/** @typedef {"fresh" | "signed_out" | "other" | "offline"} Freshness */

/** @returns {HTMLTemplateElement | null} what the server wrote into this page about its forms */
function findGuard() {
  return /** @type {HTMLTemplateElement | null} */ (document.getElementById("form-guard"));
}

/** @returns {string} the newest token that this page knows */
export function currentToken() {
  return document.body.dataset.token ?? "";
}

/**
 * Asks the server for the token and puts it wherever this page sends one from.
 *
 * @param {{isForAnyone?: boolean}} [options] `isForAnyone`: signing in, choosing a language
 * @returns {Promise<Freshness>}
 */
export async function refreshToken({ isForAnyone = false } = {}) {
  try {
    const signal = AbortSignal.timeout(WAIT_MS);
    const options = { headers: { Accept: "application/json" }, cache: /** @type {const} */ ("no-store"), signal };
    const guard = findGuard();
    const response = await fetch(guard?.dataset.tokenAddress ?? "/console/token", options);
    if (!response.ok) return "offline";
    const { token, staff } = await response.json();
    const owner = Number(guard?.dataset.staff ?? document.body.dataset.staff ?? 0);
    if (!isForAnyone && staff !== owner) return staff ? "other" : "signed_out";
    spread(token);
    return "fresh";
  } catch {
    return "offline";
  }
}

/** @param {string} token */
function spread(token) {
  if (document.body.dataset.token) document.body.dataset.token = token;
  if (document.body.hasAttribute("hx-headers")) {
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  }
  for (const field of document.querySelectorAll("input[name=csrfmiddlewaretoken]")) {
    /** @type {HTMLInputElement} */ (field).value = token;
  }
}

/** @param {Freshness} freshness @returns {string} */
export function wordsFor(freshness) {
  return findGuard()?.dataset[{ fresh: "", signed_out: "signedOut", other: "other", offline: "offline" }[freshness]] ?? "";
}

/** A line that says why a form was not sent, with the way to sign in. @param {Freshness} freshness */
export function failureLine(freshness) {
  const line = /** @type {HTMLElement} */ (findGuard()?.content.firstElementChild?.cloneNode(true));
  /** @type {HTMLElement} */ (line.querySelector(".form-failed-words")).textContent = wordsFor(freshness);
  if (freshness === "offline") line.querySelector("a")?.remove();
  return line;
}
