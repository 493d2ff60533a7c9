/** A WebSocket that reconnects automatically. It handles retries and heartbeats, but not the content of conversations. */

/** @import { ConsoleFrame, Ping, ServerToConsole, ServerToVisitor, VisitorFrame } from "./frames.d.ts" */
/** @typedef {"connecting" | "open" | "lost" | "ended"} SocketStatus */

const BASE_MS = 500;
const CAP_MS = 30_000;
const STABLE_MS = 60_000;
const WELCOME_MS = 10_000;
// The wait for a pong. With a heartbeat of 25 s, a dead connection is detected within half a minute.
const PONG_MS = 5_000;
const PROBE_MS = 1_500;

/**
 * @template {VisitorFrame | ConsoleFrame} Sent
 * @template {ServerToVisitor | ServerToConsole} Received
 */
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
  /** Whether we wait for the time that a bye frame has set. Sending a frame then reconnects at once. */
  #hasRetryTime = false;
  /** @type {Record<string, number>} */
  #timers = {};
  /** The number of pings on this connection that have no pong yet. */
  #pings = 0;
  /** Restarts the timer that waits for the pong. */
  #waitAgain = () => {};

  /**
   * @param {{
   *   url: string,
   *   hello: () => Sent,
   *   onFrame: (frame: Received) => void,
   *   onStatus: (status: SocketStatus, detail?: number) => void,
   * }} options `detail` is the close code if the status is "ended"
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

  /** @param {Sent | Ping} frame @returns {boolean} whether it was sent; always false before the welcome */
  send(frame) {
    if (!this.#isOpen) {
      if (this.#hasRetryTime) this.#connect();
      return false;
    }
    this.#socket?.send(JSON.stringify(frame));
    return true;
  }

  /** Reconnects at once, with a new hello. */
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
    // #probe needs the wall clock, because in some browsers `performance.now()` stops while the machine sleeps.
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

  /** @param {Received} frame */
  #receive(frame) {
    // Only the welcome ends the wait for an answer to hello. After any other frame the timer must go on, because a
    // server that refuses the hello might send nothing more.
    if (frame.kind === "welcome") this.#stop("answer");
    else if (this.#isOpen && this.#timers.answer) this.#heard(frame.kind);
    if (frame.kind === "bye") {
      this.#byeMs = frame.retry_after_ms;
      // The server reads no more frames. Its close frame follows at once, or the connection is dead.
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

  /** Schedules the next ping. In a hidden page, the browser delays it. */
  #beat() {
    this.#after("beat", this.#heartbeatMs, () => this.#timers.answer || this.#ask(PONG_MS, this.#lose));
  }

  /** Pings the server. @param {number} ms to wait for the answer @param {() => void} otherwise called if there is no answer */
  #ask(ms, otherwise) {
    if (!this.send({ kind: "ping" })) return;
    this.#pings++;
    this.#waitAgain = () => this.#after("answer", ms, otherwise);
    this.#waitAgain();
  }

  /**
   * Handles a frame that arrives while a ping waits for its pong. Only the pong ends the wait, because any other frame may
   * have been sent before the connection died. Other frames restart the timer, because the pong may still be behind them.
   *
   * @param {string} kind
   */
  #heard(kind) {
    if (kind === "pong") this.#pings--;
    if (this.#pings > 0) this.#waitAgain();
    else this.#stop("answer");
  }

  /**
   * Checks the connection after the page was shown again or the network changed. A pending attempt to connect is replaced
   * unless it has just begun, because it may be dead, too.
   */
  #probe = () => {
    if (document.visibilityState === "hidden") return;
    if (this.#isOpen) this.#ask(PROBE_MS, () => this.#connect());
    else if (this.#timers.retry || Math.abs(Date.now() - this.#triedAt) > PROBE_MS) this.#connect();
  };

  #lose = () => {
    this.#drop();
    if (!this.#isWanted) return;
    this.#hasRetryTime = this.#byeMs >= 0;
    // A reconnect after a bye frame does not count as a failure.
    const wait = this.#hasRetryTime ? this.#byeMs : Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** this.#tries++);
    this.#after("retry", wait, () => this.#connect());
    this.#byeMs = -1;
    this.#onStatus(this.#hasRetryTime ? "connecting" : "lost");
  };

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isOpen = this.#hasRetryTime = false;
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
