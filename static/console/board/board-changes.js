/** Decides which frames of the console's socket change the board. Most do not: each message of a conversation sends a row. */

/** @import { Row, ServerToConsole } from "../../chat/frames.d.ts" */

export class BoardChanges {
  /** The part of each conversation that the board shows, by its id. @type {Map<string, string>} */
  #shown = new Map();

  /** Records a frame. @param {ServerToConsole} frame @returns {boolean} whether the board must be drawn again */
  add(frame) {
    switch (frame.kind) {
      case "welcome":
        this.#shown = new Map(frame.rows.map((row) => [row.id, partOf(row)]));
        return true;
      case "conversation":
        return this.#addRow(frame.row, frame.listed);
      case "presence":
        return true;
      default:
        return false;
    }
  }

  /** @param {Row} row @param {boolean} isListed */
  #addRow(row, isListed) {
    const part = isListed ? partOf(row) : undefined;
    if (this.#shown.get(row.id) === part) return false;
    if (part === undefined) this.#shown.delete(row.id);
    else this.#shown.set(row.id, part);
    return true;
  }
}

/** @param {Row} row */
function partOf(row) {
  return [row.status, row.department, row.agent?.id, row.emergency, row.offered_to, Boolean(row.visitor_away_since)].join();
}
