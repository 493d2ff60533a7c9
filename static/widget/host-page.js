/**
 * Exchanges messages with the bank's page around the frame, if the page's origin is one of the site's allowed origins.
 */

export class HostPage {
  #origin = "";
  isFramed = parent !== window;

  /** @param {string[]} origins @param {(name: string, detail: any) => void} onMessage */
  constructor(origins, onMessage) {
    if (!this.isFramed) return;
    addEventListener("message", (event) => {
      if (event.source !== parent || !origins.includes(event.origin) || !event.data?.lianxin) return;
      this.#origin = event.origin;
      if (event.data.lianxin === "ping") return this.send("pong");
      onMessage(event.data.lianxin, event.data.detail);
    });
  }

  /** @param {string} name @param {unknown} [detail] never message text */
  send(name, detail) {
    if (this.#origin) parent.postMessage({ lianxin: name, detail }, this.#origin);
  }
}
