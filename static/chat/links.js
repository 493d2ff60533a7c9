/** Finds the links in what somebody wrote. The pieces, put together, are the text to the letter. */

/**
 * An address ends where Chinese, Japanese or Korean words, their punctuation, an emoji or an invisible mark begins: they
 * follow it without a blank. Letters of other scripts may belong to a path.
 */
const ADDRESS =
  /\bhttps?:\/\/[^\s<>"'\x60{}|\\^\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Bopo}\p{Extended_Pictographic}\p{Cf}\p{Cc}\u2010-\u205e\u3000-\u303f\uff00-\uffef]+/giu;
const CLOSING = /[.,;:!?*_~]$/;
const BRACKETS = [
  ["(", ")"],
  ["[", "]"],
];

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
  let end = address.length;
  const counts = BRACKETS.map(([opening, closing]) => countOf(address, closing) - countOf(address, opening));
  for (;;) {
    const last = address[end - 1];
    const pair = BRACKETS.findIndex(([, closing]) => closing === last);
    if (pair >= 0 && counts[pair] > 0) counts[pair]--;
    else if (!CLOSING.test(last)) return address.slice(0, end);
    end--;
  }
}

/** @param {string} text @param {string} letter */
function countOf(text, letter) {
  return text.split(letter).length - 1;
}
