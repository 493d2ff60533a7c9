/** The list of conversations that the router offers to the agent, with the seconds that are left, and Accept and Decline. */

import { byId, make, setText } from "../../chat/dom.js";
import { fill } from "../../chat/ui-strings.js";
import { find } from "../find.js";
import { BASE, get } from "../requests.js";
import { serverNow } from "../server-clock.js";
import { toast } from "./connection-status.js";
import { drawEmergency, emergencyReason, isolatedName, nameOf } from "./conversation-lists.js";
import { isOffer, isUrgent, offers, policyOf } from "./state.js";

/** @import { Row } from "../../chat/frames.d.ts" */
/** @import { UiStrings } from "../../chat/ui-strings.js" */
/** @import { Change } from "./changes.js" */
/** @import { Store } from "./store.js" */

export class OfferList {
  #store;
  #strings;
  #departments;
  #skills;
  #list = byId("offers");
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** Rules by which the router chose this agent, as sentences, by conversation. @type {Map<string, string>} */
  #rules = new Map();
  /** Conversations that the agent has accepted or declined here. @type {Set<string>} */
  #decided = new Set();

  /**
   * @param {Store} store
   * @param {{strings: UiStrings, departments: Record<string, string>, skills: Record<string, string>,
   *          act: (name: "accept" | "decline", id: string) => void}} options
   */
  constructor(store, { strings, departments, skills, act }) {
    this.#store = store;
    this.#strings = strings;
    this.#departments = departments;
    this.#skills = skills;
    store.subscribe(() => this.#draw());
    store.onChanges((changes) => changes.forEach((change) => this.#explainEnd(change)));
    setInterval(() => this.#drawTimes(), 500);
    this.#list.addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("[data-offer]");
      if (button instanceof HTMLElement) act(/** @type {"accept"} */ (button.dataset.offer), idOf(button));
    });
    this.#list.addEventListener("keydown", (event) => {
      const link = /** @type {HTMLElement} */ (event.target).closest(".row-link");
      if (event.key !== "Enter" || !link) return;
      event.preventDefault();
      if (!event.repeat) act("accept", idOf(link));
    });
  }

  /** The offer that a key without a focused row means: the open conversation, or the first offer; "" for none. */
  get first() {
    const { state, current } = this.#store;
    const focused = document.activeElement?.closest("#offers .row");
    if (focused instanceof HTMLElement) return focused.dataset.id ?? "";
    return isOffer(state, state.rows[current]) ? current : (offers(state)[0]?.id ?? "");
  }

  /** Remembers that the agent has answered the offer: the end of the offer then needs no sentence. @param {string} id */
  decided(id) {
    this.#decided.add(id);
  }

  #draw() {
    const rows = offers(this.#store.state);
    byId("offers-section").hidden = !rows.length;
    setText(byId("offers-count"), String(rows.length));
    const hadFocus = this.#list.contains(document.activeElement);
    const wanted = new Set(rows.map((row) => row.id));
    for (const [id, element] of this.#elements) {
      if (wanted.has(id)) continue;
      element.remove();
      this.#elements.delete(id);
      this.#rules.delete(id);
    }
    rows.forEach((row, index) => {
      const element = this.#element(row);
      if (this.#list.children[index] !== element) this.#list.insertBefore(element, this.#list.children[index] ?? null);
      this.#drawRow(element, row);
    });
    if (hadFocus && !this.#list.contains(document.activeElement)) {
      /** @type {HTMLElement} */ (this.#list.querySelector(".row-link") ?? find(document, ".lists-body")).focus();
    }
    this.#drawTimes();
  }

  /** @param {Row} row */
  #element(row) {
    const known = this.#elements.get(row.id);
    if (known) return known;
    const template = /** @type {HTMLTemplateElement} */ (byId("offer-template"));
    const element = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    element.dataset.id = row.id;
    element.id = `offer-${row.id}`;
    this.#elements.set(row.id, element);
    this.#decided.delete(row.id);
    void this.#loadRule(row.id);
    return element;
  }

  /** @param {HTMLElement} element @param {Row} row */
  #drawRow(element, row) {
    const link = /** @type {HTMLAnchorElement} */ (find(element, ".row-link"));
    link.href = `${BASE}conversations/${row.id}/`;
    if (row.id === this.#store.current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    setText(find(element, ".name"), nameOf(row, this.#strings));
    setText(find(element, ".row-language"), row.language === "zh" ? "中" : "EN");
    setText(find(element, ".excerpt"), row.excerpt || row.subject || "…");
    drawEmergency(find(element, ".emergency"), row, this.#strings);
    const reasons = find(element, ".offer-reasons");
    const texts = this.#reasonsFor(row);
    if ([...reasons.children].map((item) => item.textContent).join() === texts.join()) return;
    reasons.replaceChildren(...texts.map((text) => make("span", "", text)));
  }

  /** @param {Row} row */
  #reasonsFor(row) {
    const strings = this.#strings;
    return [
      isUrgent(row) && fill(strings.reason_emergency, { reason: emergencyReason(row, strings) }),
      this.#rules.get(row.id),
      row.skill && this.#skills[row.skill] && fill(strings.reason_skill, { skill: this.#skills[row.skill] }),
      row.language !== "zh" && strings.reason_language,
      this.#departments[row.department],
    ]
      .filter(Boolean)
      .map(String);
  }

  /** @param {string} id */
  async #loadRule(id) {
    /** @type {import("../requests.js").ConsoleAnswer<{rule: string}>} */
    const answer = await get(`conversations/${id}/offer`);
    const text = answer.ok ? this.#strings[`rule_${answer.data.rule}`] : "";
    if (!text || !this.#elements.has(id)) return;
    this.#rules.set(id, text);
    this.#draw();
  }

  #drawTimes() {
    const { state } = this.#store;
    for (const [id, element] of this.#elements) {
      const row = state.rows[id];
      if (!row) continue;
      const left = Math.max(0, Math.ceil((Date.parse(row.offered_until ?? "") - serverNow()) / 1000));
      const text = fill(this.#strings.seconds, { count: left });
      setText(find(element, ".offer-left"), text);
      const bar = /** @type {HTMLProgressElement} */ (find(element, "progress"));
      bar.max = policyOf(state, row.department).offer_seconds;
      bar.value = Math.min(left, bar.max);
      element.dataset.hurry = String(left <= 5);
    }
  }

  /** Says in a sentence why an offer has disappeared. @param {Change} change */
  #explainEnd({ kind, row }) {
    const text = this.#strings[kind];
    if (kind.startsWith("offer_") && !this.#decided.has(row.id)) toast(fill(text, { name: isolatedName(row, this.#strings) }));
  }
}

/** @param {Element} inside */
function idOf(inside) {
  return /** @type {HTMLElement | null} */ (inside.closest(".row"))?.dataset.id ?? "";
}
