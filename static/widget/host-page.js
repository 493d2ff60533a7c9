/** The bank's page around the frame. Only a page of the site's allowed origins is heard, and only it is told. */

export class Host {
  #origin = "";
  isThere = parent !== window;

  /** @param {string[]} origins @param {(what: string, detail: any) => void} heard */
  constructor(origins, heard) {
    if (!this.isThere) return;
    addEventListener("message", (event) => {
      if (event.source !== parent || !origins.includes(event.origin) || !event.data?.lianxin) return;
      this.#origin = event.origin;
      if (event.data.lianxin === "ping") return this.tell("pong");
      heard(event.data.lianxin, event.data.detail);
    });
  }

  /** @param {string} what @param {unknown} [detail] never what somebody wrote */
  tell(what, detail) {
    if (this.#origin) parent.postMessage({ lianxin: what, detail }, this.#origin);
  }
}
