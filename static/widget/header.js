/** The head: who is there, and one quiet line of truth. */

import { fill } from "../chat/ui-strings.js";
import { by, write } from "./elements.js";

/** @param {import("./session.js").Session} session @param {ChatWords} words */
export function drawHead(session, words) {
  const { conversation, status, about } = session;
  const { state, queue } = conversation;
  const [portrait, title, line, waiting] = ["portrait", "name", "line", "waiting"].map(by);
  const agent = state?.agent ?? null;
  const name = agent && ((about.language === "en" && agent.name_en) || agent.name);
  const isAlone = !!queue && !queue.online;
  portrait.dataset.initial = [...(name ?? "")][0]?.toUpperCase() ?? "";
  portrait.classList.toggle("person", !!agent);
  write("name", name ?? title.dataset.title ?? "");
  write("line", lineOf());
  by("end").hidden = !conversation.isOpen;
  waiting.hidden = state?.status !== "waiting";
  write("waiting", (isAlone ? waiting.dataset.nobody : waiting.dataset.waiting) ?? "");

  function lineOf() {
    if (status === "ended") return words.over;
    if (conversation.isEnded) return words.ended;
    if (agent) return `${fill(words.number, { number: agent.number })} · ${line.dataset.name}`;
    if (isAlone) return words.nobody;
    if (queue) {
      const minutes = Math.max(1, Math.round(queue.estimate_seconds / 60));
      return fill(queue.estimate_seconds === null ? words.place : words.estimate, { place: queue.place, minutes });
    }
    if (state) return words.waiting;
    return (status === "connecting" && words.connecting) || (line.dataset.name ?? "");
  }
}
