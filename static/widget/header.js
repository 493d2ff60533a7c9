/** Draws the header: the agent's name, and one line with the state of the conversation. */

import { byId, setText } from "../chat/dom.js";
import { fill } from "../chat/ui-strings.js";

/** @import { UiStrings } from "../chat/ui-strings.js" */
/** @import { Session } from "./session.js" */

/** @param {Session} session @param {UiStrings} strings */
export function drawHeader(session, strings) {
  const { conversation, status, about } = session;
  const { state, queue } = conversation;
  const [portrait, title, statusLine, waiting] = ["portrait", "name", "status-line", "waiting"].map(byId);
  const agent = state?.agent ?? null;
  const name = agent && ((about.language === "en" && agent.name_en) || agent.name);
  const isAlone = !!queue && !queue.online;
  portrait.dataset.initial = [...(name ?? "")][0]?.toUpperCase() ?? "";
  portrait.classList.toggle("person", !!agent);
  setText(byId("name"), name ?? title.dataset.title ?? "");
  setText(byId("status-line"), statusText());
  byId("end").hidden = !conversation.isOpen;
  waiting.hidden = state?.status !== "waiting";
  setText(byId("waiting"), (isAlone ? waiting.dataset.nobody : queue?.words || waiting.dataset.waiting) ?? "");

  function statusText() {
    if (status === "ended") return strings.over;
    if (conversation.isEnded) return strings.ended;
    if (agent) return `${fill(strings.number, { number: agent.number })} · ${statusLine.dataset.name}`;
    if (isAlone) return strings.nobody;
    if (queue) {
      const { place, estimate_seconds: expected, estimate_max_seconds: most } = queue;
      const minutes = Number(expected) / 60 + (most ? `–${most / 60}` : "");
      return fill(expected ? strings.estimate : strings.place, { place, minutes });
    }
    if (state) return strings.waiting;
    return (status === "connecting" && strings.connecting) || (statusLine.dataset.name ?? "");
  }
}
