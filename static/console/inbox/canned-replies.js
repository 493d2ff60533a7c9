/** Canned replies: which fit what was typed after `/`, and what their placeholders stand for. */

const PLACEHOLDER = /[{｛]\s*([a-z_]{2,30})\s*[}｝]/g;
const KNOWN = new Set(["visitor_name", "agent_name", "agent_number", "bank_name", "hotline"]);
const SCOPES = { personal: 0, department: 1, shared: 2 };
const SHOWN = 8;

/**
 * @param {ConsoleReply[]} replies
 * @param {string} typed what follows the slash
 * @param {string} language of the conversation: its replies come first
 * @returns {ConsoleReply[]}
 */
export function fitting(replies, typed, language) {
  // Full-width letters too, and xi'an for xian.
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

/** @param {ConsoleReply} reply @param {string} wanted @returns {number} 0 fits best, 9 not at all */
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

/** Every placeholder that has a value filled; the others stay. @param {string} text @param {Record<string, string>} values */
export function filled(text, values) {
  return text.replace(PLACEHOLDER, (place, name) => values[name] || place);
}

/**
 * What stands in braces still.
 *
 * @param {string} text
 * @returns {{start: number, end: number, isKnown: boolean, text: string}[]} the known ones the server refuses to send
 */
export function placesIn(text) {
  return [...text.matchAll(PLACEHOLDER)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    isKnown: KNOWN.has(match[1]),
    text: match[0],
  }));
}
