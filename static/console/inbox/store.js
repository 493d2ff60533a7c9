/** Holds the state and tells those who draw it, once for many changes. */

import { apply, begin, open } from "./state.js";

export class Store {
  /** @type {ConsoleState} */
  state;
  /** The conversation before the agent, "" when none. */
  current = "";
  /** @type {((state: ConsoleState) => void)[]} */
  #readers = [];
  #isDue = false;

  /** @param {ConsoleFirst} first */
  constructor(first) {
    this.state = begin(first);
  }

  /** The seq that the address asks to be shown, 0 for the end. */
  get wanted() {
    const [, id, seq] = /^#message-([0-9a-f-]{36})-(\d+)$/.exec(location.hash) ?? [];
    return id === this.current ? Number(seq) : 0;
  }

  /** The row of the conversation before the agent. */
  get row() {
    return this.thread?.row ?? this.state.rows[this.current];
  }

  get thread() {
    return /** @type {ConsoleThread | undefined} */ (this.state.threads[this.current]);
  }

  /** @param {ChatFrame} frame */
  dispatch(frame) {
    this.state = apply(this.state, frame);
    this.changed();
  }

  /** @param {any} answer of the server to opening a conversation */
  opened(answer) {
    this.state = open(this.state, answer, this.wanted || undefined);
    this.changed();
  }

  /** @param {string} id */
  choose(id) {
    this.current = id;
    this.changed();
  }

  /** @param {(state: ConsoleState) => void} reader */
  subscribe(reader) {
    this.#readers.push(reader);
  }

  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    // Not a frame of animation alone: in a hidden tab none comes, and the title has to tell what is new.
    const draw = () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      for (const reader of this.#readers) reader(this.state);
    };
    requestAnimationFrame(draw);
    setTimeout(draw, 100);
  }
}
