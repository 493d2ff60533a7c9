/** Splits a text into links and other parts. The parts joined together are exactly the text. */

import { make } from "./dom.js";

/**
 * A web address in a text. It ends at a Chinese, Japanese or Korean character or punctuation mark, an emoji or an
 * invisible mark, because these may follow an address without a space. Letters of other scripts may belong to its path.
 */
const ADDRESS = /\bhttps?:\/\/[^\s<>"'\x60{}|\\^\u2000-\u206f\u2600-\u27bf\u2e80-\uffff\u{1f000}-\u{3ffff}]+/giu;
const CLOSING = /[.,;:!?*_~]$/;
/** @type {Record<string, string>} */
const OPENING = { ")": "(", "]": "[" };

/**
 * @param {string} text
 * @returns {{text: string, href?: string}[]} `href` only for http and https addresses without a user name before the
 *   host (https://bank.example@evil.example is not made a link)
 */
export function linkParts(text) {
  /** @type {{text: string, href?: string}[]} */
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutClosing(match[0]);
    const url = URL.canParse?.(address) ? new URL(address) : null;
    if (!url || url.username || url.password || !/^https?:$/.test(url.protocol)) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index) });
    parts.push({ text: address, href: url.href });
    from = match.index + address.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** Returns the parts of a text, with its web addresses as links. @param {string} text @returns {(string | HTMLAnchorElement)[]} */
export function linkedText(text) {
  return linkParts(text).map(({ text: part, href }) => {
    if (!href) return part;
    const link = make("a", "", part);
    link.href = href;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    return link;
  });
}

/**
 * Removes trailing punctuation of the sentence, and trailing closing brackets that have no matching opening bracket inside
 * the address.
 *
 * @param {string} address
 */
function withoutClosing(address) {
  for (;;) {
    const last = address.slice(-1);
    const opening = OPENING[last];
    if (opening ? address.split(last).length <= address.split(opening).length : !CLOSING.test(address)) return address;
    address = address.slice(0, -1);
  }
}
