/** Canned replies: finds those that match the text typed after `/`, and fills their placeholders. Pure functions. */

/**
 * @typedef {object} CannedReply
 * @property {number} id
 * @property {string} shortcut
 * @property {string} title
 * @property {string} body
 * @property {string} language
 * @property {string} initials
 * @property {string} source of the knowledge point from which it was made, or ""
 * @property {"personal" | "department" | "shared"} scope
 */

const PLACEHOLDER = /[{｛]\s*([a-z_]{2,30})\s*[}｝]/g;
const KNOWN = new Set(["visitor_name", "agent_name", "agent_number", "bank_name", "hotline"]);
const SCOPES = { personal: 0, department: 1, shared: 2 };
const SHOWN = 8;

/**
 * Returns the best matches, in order.
 *
 * @param {CannedReply[]} replies
 * @param {string} typed the text after the slash
 * @param {string} language language of the conversation; replies in it come first
 * @returns {CannedReply[]}
 */
export function matchingReplies(replies, typed, language) {
  // Accept full-width letters, and ignore the pinyin apostrophe (xi'an finds xian).
  const wanted = typed.normalize("NFKC").trim().toLowerCase().replaceAll(/['’]/g, "");
  return replies
    .map((reply) => ({ reply, rank: rankOf(reply, wanted) }))
    .filter(({ rank }) => rank < 9)
    .sort(
      (one, other) =>
        Number(one.reply.language !== language) - Number(other.reply.language !== language) ||
        one.rank - other.rank ||
        SCOPES[one.reply.scope] - SCOPES[other.reply.scope] ||
        one.reply.shortcut.localeCompare(other.reply.shortcut),
    )
    .slice(0, SHOWN)
    .map(({ reply }) => reply);
}

/** @param {CannedReply} reply @param {string} wanted @returns {number} 0 for the best match, 9 for none */
function rankOf(reply, wanted) {
  if (!wanted) return 5;
  const title = reply.title.normalize("NFKC").toLowerCase();
  if (reply.shortcut === wanted) return 0;
  if (reply.shortcut.startsWith(wanted)) return 1;
  const spellings = reply.initials.split(" ");
  if (title.startsWith(wanted) || spellings.some((spelling) => spelling.startsWith(wanted))) return 2;
  if (title.includes(wanted)) return 3;
  if (spellings.some((spelling) => spelling.includes(wanted)) || reply.shortcut.includes(wanted)) return 4;
  return 9;
}

/** Replaces placeholders that have a value; the others stay. @param {string} text @param {Record<string, string>} values */
export function fillPlaceholders(text, values) {
  return text.replace(PLACEHOLDER, (placeholder, name) => values[name] || placeholder);
}

/**
 * Finds the placeholders that are left in a text.
 *
 * @param {string} text
 * @returns {{start: number, end: number, isKnown: boolean, text: string}[]} `isKnown`: whether the name is one of ours;
 * the server refuses a message with such a placeholder
 */
export function placeholdersIn(text) {
  return [...text.matchAll(PLACEHOLDER)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    isKnown: KNOWN.has(match[1]),
    text: match[0],
  }));
}
