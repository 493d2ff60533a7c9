/** Holds the state and notifies its subscribers. Several changes in quick succession cause one notification. */

import { serverNow } from "../server-clock.js";
import { changesOf } from "./changes.js";
import { apply, initialState, open } from "./state.js";

/** @import { ServerToConsole } from "../../chat/frames.d.ts" */
/** @import { Change } from "./changes.js" */
/** @import { ConsoleInitialState, ConsoleState, ConsoleThread, OpenedThread } from "./types.d.ts" */

export class Store {
  /** @type {ConsoleState} */
  state;
  /** Id of the open conversation, "" for none. */
  current = "";
  /** @type {((state: ConsoleState) => void)[]} */
  #subscribers = [];
  /** @type {((changes: Change[]) => void)[]} */
  #changeListeners = [];
  #isDue = false;

  /** @param {ConsoleInitialState} initial */
  constructor(initial) {
    this.state = initialState(initial);
  }

  /** The seq of the message that the URL names and that the thread scrolls to; 0 for the end of the thread. */
  get wanted() {
    const [, id, seq] = /^#message-([0-9a-f-]{36})-(\d+)$/.exec(location.hash) ?? [];
    return id === this.current ? Number(seq) : 0;
  }

  /** The row of the open conversation. */
  get row() {
    return this.thread?.row ?? this.state.rows[this.current];
  }

  get thread() {
    return /** @type {ConsoleThread | undefined} */ (this.state.threads[this.current]);
  }

  /** @param {ServerToConsole} frame */
  dispatch(frame) {
    const changes = changesOf(this.state, frame, serverNow());
    this.state = apply(this.state, frame);
    if (changes.length) for (const listener of this.#changeListeners) listener(changes);
    this.changed();
  }

  /** Registers a function that is called with each frame's changes for the agent. @param {(changes: Change[]) => void} listener */
  onChanges(listener) {
    this.#changeListeners.push(listener);
  }

  /** @param {OpenedThread} answer */
  opened(answer) {
    this.state = open(this.state, answer, this.wanted || undefined);
    this.changed();
  }

  /** Replaces what an administrator may have changed. @param {Pick<ConsoleState, "me" | "policies">} settings */
  refresh({ me, policies }) {
    this.state = { ...this.state, me, policies };
    this.changed();
  }

  /** @param {string} id */
  choose(id) {
    this.current = id;
    this.changed();
  }

  /** @param {(state: ConsoleState) => void} subscriber */
  subscribe(subscriber) {
    this.#subscribers.push(subscriber);
  }

  changed() {
    if (this.#isDue) return;
    this.#isDue = true;
    // requestAnimationFrame never fires in a hidden tab, but the tab's title must show new messages. A timer draws as
    // well.
    const draw = () => {
      if (!this.#isDue) return;
      this.#isDue = false;
      for (const subscriber of this.#subscribers) subscriber(this.state);
    };
    requestAnimationFrame(draw);
    setTimeout(draw, 100);
  }
}
