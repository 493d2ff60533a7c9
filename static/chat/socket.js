/** A WebSocket that comes back by itself. It knows retry and heartbeat, and nothing of chat. */

const BASE_MS = 500;
const CAP_MS = 30_000;
const STABLE_MS = 60_000;
const WELCOME_MS = 10_000;
// With the heartbeat of 25 s a line that is dead is found within half a minute.
const PONG_MS = 5_000;
const PROBE_MS = 1_500;

export class LiveSocket {
  #url;
  #hello;
  #onFrame;
  #onStatus;
  /** @type {WebSocket | undefined} */
  #socket;
  #isOpen = false;
  #isWanted = false;
  #tries = 0;
  #triedAt = 0;
  #heartbeatMs = 25_000;
  #byeMs = -1;
  /** The server has told us to come back, and when: whoever has something to say need not wait for that. */
  #isAwaited = false;
  /** @type {Record<string, number>} */
  #timers = {};
  /** Pings of this line that have no pong yet. */
  #pings = 0;
  /** Waits for the answer from the beginning again. */
  #waitAgain = () => {};

  /**
   * @param {{
   *   url: string,
   *   hello: () => ChatFrame,
   *   onFrame: (frame: ChatFrame) => void,
   *   onStatus: (status: SocketStatus, detail?: number) => void,
   * }} options `detail`: the close code with "ended".
   */
  constructor({ url, hello, onFrame, onStatus }) {
    this.#url = url;
    this.#hello = hello;
    this.#onFrame = onFrame;
    this.#onStatus = onStatus;
  }

  open() {
    if (this.#isWanted) return;
    this.#isWanted = true;
    document.addEventListener("visibilitychange", this.#probe);
    for (const name of ["pageshow", "online", "offline"]) addEventListener(name, this.#probe);
    this.#connect();
  }

  /** @param {ChatFrame} frame @returns {boolean} whether it went out; not before the welcome */
  send(frame) {
    if (!this.#isOpen) {
      if (this.#isAwaited) this.#connect();
      return false;
    }
    this.#socket?.send(JSON.stringify(frame));
    return true;
  }

  /** Comes back with a new hello, at once. */
  reopen() {
    if (this.#isWanted) this.#connect();
  }

  close() {
    this.#isWanted = false;
    this.#drop();
    document.removeEventListener("visibilitychange", this.#probe);
    for (const name of ["pageshow", "online", "offline"]) removeEventListener(name, this.#probe);
  }

  #connect() {
    this.#drop();
    this.#onStatus("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    // The wall clock: `performance.now()` stands still in some browsers while the machine sleeps, and #probe compares.
    this.#triedAt = Date.now();
    this.#after("answer", WELCOME_MS, this.#lose);
    socket.onopen = () => socket.send(JSON.stringify(this.#hello()));
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      if (event.code >= 4400 && event.code < 4500) {
        this.close();
        this.#onStatus("ended", event.code);
      } else this.#lose();
    };
  }

  /** @param {ChatFrame} frame */
  #receive(frame) {
    // Until the welcome only that is an answer: a server that refuses hello may say nothing more.
    if (frame.kind === "welcome") this.#stop("answer");
    else if (this.#isOpen && this.#timers.answer) this.#heard(frame.kind);
    if (frame.kind === "bye") {
      this.#byeMs = frame.retry_after_ms;
      // Nothing is heard any more, and the close comes at once, or never.
      this.#isOpen = false;
      this.#after("answer", PROBE_MS, this.#lose);
    }
    if (frame.kind === "welcome") {
      this.#heartbeatMs = frame.heartbeat_seconds * 1000;
      if (!this.#isOpen) {
        this.#isOpen = true;
        this.#after("stable", STABLE_MS, () => (this.#tries = 0));
        this.#onStatus("open");
      }
    }
    if (this.#isOpen) this.#beat();
    this.#onFrame(frame);
  }

  /** In a hidden page too: the browser itself makes it rarer there. */
  #beat() {
    this.#after("beat", this.#heartbeatMs, () => this.#timers.answer || this.#ask(PONG_MS, this.#lose));
  }

  /** @param {number} ms how long the answer may take @param {() => void} otherwise */
  #ask(ms, otherwise) {
    if (!this.send({ kind: "ping" })) return;
    this.#pings++;
    this.#waitAgain = () => this.#after("answer", ms, otherwise);
    this.#waitAgain();
  }

  /**
   * Only the pong answers a ping: any other frame may have been under way when the line died. But while frames come, the
   * pong may stand behind them, and is waited for again.
   *
   * @param {string} kind
   */
  #heard(kind) {
    if (kind === "pong") this.#pings--;
    if (this.#pings > 0) this.#waitAgain();
    else this.#stop("answer");
  }

  /** The page was shown again, or the network changed: is the line still there? A try may have slept as well. */
  #probe = () => {
    if (document.visibilityState === "hidden") return;
    if (this.#isOpen) this.#ask(PROBE_MS, () => this.#connect());
    else if (this.#timers.retry || Math.abs(Date.now() - this.#triedAt) > PROBE_MS) this.#connect();
  };

  #lose = () => {
    this.#drop();
    if (!this.#isWanted) return;
    this.#isAwaited = this.#byeMs >= 0;
    // Nothing has failed where the server has said goodbye.
    const wait = this.#isAwaited ? this.#byeMs : Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** this.#tries++);
    this.#after("retry", wait, () => this.#connect());
    this.#byeMs = -1;
    this.#onStatus(this.#isAwaited ? "connecting" : "lost");
  };

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isOpen = this.#isAwaited = false;
    this.#pings = 0;
    Object.keys(this.#timers).forEach((name) => this.#stop(name));
    socket?.close();
  }

  /** @param {string} name @param {number} ms @param {() => void} then */
  #after(name, ms, then) {
    this.#stop(name);
    this.#timers[name] = setTimeout(() => {
      delete this.#timers[name];
      then();
    }, ms);
  }

  /** @param {string} name */
  #stop(name) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}
