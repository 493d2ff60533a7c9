/** Sends requests to the server. Failures are returned as results, never thrown. */

import { currentToken, refreshToken, failureText } from "./csrf-token.js";

/** @import { RefusedFrame } from "../chat/frames.d.ts" */

/**
 * The outcome of a request: `data` on success, otherwise `refused` (null without an answer from the server).
 *
 * @template [Data=unknown]
 * @typedef {{ok: true, status: number, data: Data, refused: null}
 *   | {ok: false, status: number, data: Data | null, refused: Omit<RefusedFrame, "kind"> | null}} ConsoleAnswer
 */

/** Path of the console, with a trailing slash. */
export const BASE = "/console/";
const WAIT_MS = 20_000;
/** @type {ConsoleAnswer<never>} */
const NO_ANSWER = { ok: false, status: 0, data: null, refused: null };

/** @template [Data=unknown] @param {string} path below BASE @returns {Promise<ConsoleAnswer<Data>>} */
export function get(path) {
  return send(path, { method: "GET" });
}

/**
 * Fetches an HTML fragment from the server and puts it into the page. htmx.ajax is not used, because it allows only one
 * request at a time for each page.
 *
 * @param {string} path below BASE
 * @param {string} target selector of the element to swap
 * @param {{swapStyle?: string, isWanted?: () => boolean}} [options] `isWanted`: checked when the fragment has arrived;
 *   if false, the fragment is dropped
 * @returns {Promise<boolean>} whether the fragment was swapped in
 */
export async function fragment(path, target, { swapStyle = "innerHTML", isWanted = () => true } = {}) {
  try {
    const headers = { Accept: "text/html", "HX-Request": "true" };
    const response = await fetch(BASE + path, { headers, signal: AbortSignal.timeout(WAIT_MS) });
    const text = await response.text();
    reportSignOut(response);
    if (!response.ok || !isWanted()) return false;
    htmx.swap(target, text, { swapStyle });
    return true;
  } catch {
    return false;
  }
}

/**
 * @template [Data=unknown]
 * @param {string} path below BASE
 * @param {object | FormData} [data] an object is sent as JSON
 * @returns {Promise<ConsoleAnswer<Data>>}
 */
export function post(path, data = {}) {
  const isForm = data instanceof FormData;
  return send(path, {
    method: "POST",
    body: isForm ? data : JSON.stringify(data),
    headers: isForm ? {} : { "Content-Type": "application/json" },
  });
}

/** @template [Data=unknown] @param {string} path @param {RequestInit} options @returns {Promise<ConsoleAnswer<Data>>} */
async function send(path, options) {
  /** @type {ConsoleAnswer<Data>} */
  const answer = await sendOnce(path, options);
  // A sign-in has replaced the CSRF token since this page was opened. The server has done nothing, so a retry is safe.
  if (answer.refused?.code !== "stale_page") return answer;
  const freshness = await refreshToken();
  if (freshness === "fresh") return sendOnce(path, options);
  if (freshness === "offline") return NO_ANSWER;
  document.dispatchEvent(new Event("signed-out"));
  return { ...answer, ok: false, status: 401, refused: { code: "signed_out", words: failureText(freshness) } };
}

/** @template [Data=unknown] @param {string} path @param {RequestInit} options @returns {Promise<ConsoleAnswer<Data>>} */
async function sendOnce(path, options) {
  const headers = { ...options.headers, Accept: "application/json", "X-CSRFToken": currentToken() };
  try {
    const signal = AbortSignal.timeout(WAIT_MS);
    const response = await fetch(BASE + path, { ...options, headers, signal, credentials: "same-origin" });
    reportSignOut(response);
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    const data = isJson ? await response.json() : null;
    const { ok, status } = response;
    return { ok, status, data, refused: data?.refused ?? null };
  } catch {
    // No answer: the network is down, or the server is starting.
    return NO_ANSWER;
  }
}

/** Reports the end of the session if the status is 401. The top bar then offers to sign in. @param {Response} response */
function reportSignOut({ status }) {
  if (status === 401) document.dispatchEvent(new Event("signed-out"));
}
