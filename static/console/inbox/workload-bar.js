/** The agent's load, sleeping conversations and pause in the top bar, and why the agent gets no conversation now. */

import { byId, setText } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { obstacleToNext, pauseSeconds, workload } from "./workload.js";

/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Store } from "./store.js" */

export class WorkloadBar {
  #store;
  #strings;

  /** @param {Store} store @param {UiStrings} strings */
  constructor(store, strings) {
    this.#store = store;
    this.#strings = strings;
    store.subscribe(() => this.#draw());
    setInterval(() => this.#draw(), 1000);
  }

  #draw() {
    const strings = this.#strings;
    const { state } = this.#store;
    byId("presence").dataset.reason = state.presenceReason;
    const { load, sleeping, capacity } = workload(state);
    setText(byId("load-text"), fill(strings.workload, { load, capacity }));
    byId("load").dataset.full = String(load >= capacity);
    setText(byId("load-asleep"), sleeping ? ` · ${fill(strings.asleep, { count: sleeping })}` : "");
    const pause = state.presence === "online" ? pauseSeconds(state) : 0;
    setText(byId("load-pause"), pause ? ` · ${fill(strings.pause, { count: pause })}` : "");
    const obstacle = obstacleToNext(state);
    /** @type {HTMLButtonElement} */ (byId("take-next")).disabled = obstacle !== "";
    // The bar below the button says which presence keeps the agent from taking conversations.
    const reason = obstacle && obstacle !== "not_online" ? strings[obstacle] : "";
    byId("take-next-reason").hidden = !reason;
    setText(byId("take-next-reason"), reason);
  }
}
