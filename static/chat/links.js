/** Finds the links in what somebody wrote. The pieces, put together, are the text to the letter. */

const ADDRESS = /\bhttps?:\/\/[^\s<>"'\x60{}|\\^（）()，。；：！？、“”‘’《》【】「」…]+/gi;
const CLOSING = /[.,;:!?*_~\]]+$/;

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
    const address = found[0].replace(CLOSING, "");
    const url = URL.canParse?.(address) ? new URL(address) : null;
    if (!url || url.username || url.password || !/^https?:$/.test(url.protocol)) continue;
    if (found.index > from) parts.push({ text: text.slice(from, found.index) });
    parts.push({ text: address, href: url.href });
    from = found.index + address.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}
