/** Requests to the server: one answer for everything that can happen. */

import { currentToken, refreshToken, wordsFor } from "./csrf-token.js";

/** The console's address, with a closing slash. */
export const BASE = "/console/";
const WAIT_MS = 20_000;
/** @type {ConsoleAnswer} */
const NO_ANSWER = { ok: false, status: 0, data: null, refused: null };

/** @param {string} path below BASE @returns {Promise<ConsoleAnswer>} */
export function get(path) {
  return ask(path, { method: "GET" });
}

/**
 * A piece of a page, drawn by the server. Not by htmx.ajax: that has one request at a time for the whole page.
 *
 * @param {string} path below BASE
 * @param {string} target of the swap
 * @param {{swapStyle?: string, isWanted?: () => boolean}} [options] `isWanted`: asked when it has come
 * @returns {Promise<boolean>} whether it was put there
 */
export async function fragment(path, target, { swapStyle = "innerHTML", isWanted = () => true } = {}) {
  try {
    const headers = { Accept: "text/html", "HX-Request": "true" };
    const response = await fetch(BASE + path, { headers, signal: AbortSignal.timeout(WAIT_MS) });
    const text = await response.text();
    noticeEnd(response);
    if (!response.ok || !isWanted()) return false;
    htmx.swap(target, text, { swapStyle });
    return true;
  } catch {
    return false;
  }
}

/** @param {string} path below BASE @param {object | FormData} [data] an object goes as JSON @returns {Promise<ConsoleAnswer>} */
export function post(path, data = {}) {
  const isForm = data instanceof FormData;
  return ask(path, {
    method: "POST",
    body: isForm ? data : JSON.stringify(data),
    headers: isForm ? {} : { "Content-Type": "application/json" },
  });
}

/** @param {string} path @param {RequestInit} options @returns {Promise<ConsoleAnswer>} */
async function ask(path, options) {
  const answer = await askOnce(path, options);
  // Somebody has signed in since this page was opened. The server has done nothing yet, so asking again is safe.
  if (answer.refused?.code !== "stale_page") return answer;
  const freshness = await refreshToken();
  if (freshness === "fresh") return askOnce(path, options);
  if (freshness === "offline") return NO_ANSWER;
  document.dispatchEvent(new Event("signed-out"));
  return { ...answer, status: 401, refused: { code: "signed_out", words: wordsFor(freshness) } };
}

/** @param {string} path @param {RequestInit} options @returns {Promise<ConsoleAnswer>} */
async function askOnce(path, options) {
  const headers = { ...options.headers, Accept: "application/json", "X-CSRFToken": currentToken() };
  try {
    const signal = AbortSignal.timeout(WAIT_MS);
    const response = await fetch(BASE + path, { ...options, headers, signal, credentials: "same-origin" });
    noticeEnd(response);
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    const data = isJson ? await response.json() : null;
    const { ok, status } = response;
    return { ok, status, data, refused: data?.refused ?? null };
  } catch {
    // No answer: the network, or a server that is just starting.
    return NO_ANSWER;
  }
}

/** The session has ended, whatever was asked: the bar at the top shows the way back. @param {Response} response */
function noticeEnd({ status }) {
  if (status === 401) document.dispatchEvent(new Event("signed-out"));
}
