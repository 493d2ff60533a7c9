/** Finds the links in what somebody wrote. The pieces, put together, are the text to the letter. */

/**
 * An address ends where Chinese, Japanese or Korean words, their punctuation, an emoji or an invisible mark begins: they
 * follow it without a blank. Letters of other scripts may belong to a path.
 */
const ADDRESS = /\bhttps?:\/\/[^\s<>"'\x60{}|\\^\u2000-\u206f\u2600-\u27bf\u2e80-\uffff\u{1f000}-\u{3ffff}]+/giu;
const CLOSING = /[.,;:!?*_~]$/;
/** @type {Record<string, string>} */
const OPENING = { ")": "(", "]": "[" };

/**
 * @param {string} text
 * @returns {{text: string, href?: string}[]} `href` only for plain http and https addresses without a user name
 *   before the host (https://bank.example@evil.example is no link)
 */
export function linkParts(text) {
  /** @type {{text: string, href?: string}[]} */
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = withoutClosing(found[0]);
    const url = URL.canParse?.(address) ? new URL(address) : null;
    if (!url || url.username || url.password || !/^https?:$/.test(url.protocol)) continue;
    if (found.index > from) parts.push({ text: text.slice(from, found.index) });
    parts.push({ text: address, href: url.href });
    from = found.index + address.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/** Without the punctuation that belongs to the sentence, and brackets that open before the address. @param {string} address */
function withoutClosing(address) {
  for (;;) {
    const last = address.slice(-1);
    const opening = OPENING[last];
    if (opening ? address.split(last).length <= address.split(opening).length : !CLOSING.test(address)) return address;
    address = address.slice(0, -1);
  }
}
