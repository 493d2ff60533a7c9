/** The texts and colours of times that count up. Pure functions. */

/** Waiting times in seconds. At each of them, the colour of a wait becomes warmer. As in the lists of the inbox. */
const HEAT_LIMITS = [30, 90, 180, 300];

/** @param {number} seconds @returns {string} such as `4:05` or `1:04:05` */
export function formatTime(seconds) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (seconds < 3600) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** @param {number} seconds @returns {string} from "0" to "4" */
export function heatOf(seconds) {
  return String(HEAT_LIMITS.filter((limit) => seconds >= limit).length);
}
