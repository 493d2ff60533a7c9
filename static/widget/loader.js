// Lianxin on a bank's page: a button, an unread mark, and a frame made on first opening. docs/embed.md tells how.
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const page = /** @type {any} */ (window);
  const { origin } = new URL(script.src);
  const { site = "", theme } = script.dataset;
  const root = document.documentElement;
  const language = script.dataset.language || root.lang || navigator.language;
  const flag = `lianxin:${site}`;
  if (page.Lianxin) return;

  /** @type {Record<string, Set<(detail?: unknown) => void>>} */
  const listeners = {};
  /** @type {HTMLIFrameElement | undefined} */
  let frame;
  /** @type {string | ((nonce: string) => string | Promise<string>) | undefined} */
  let identity;
  /** What the box wants the next identity token to carry. */
  let nonce = "";
  let isIdentityDue = false;
  /** The page's own overflow, while ours is set. @type {string | undefined} */
  let overflow;
  let isOpen = false;
  let isListening = false;
  let isLeaving = false;
  /** The box has answered; until then our own panel stands in its place, which can always be closed. */
  let isReady = false;
  /** Checks that the frame has let pass without a word. */
  let silent = 0;
  const host = document.createElement("div");
  const shadow = host.attachShadow({ mode: "closed" });
  const button = document.createElement("button");
  const mark = document.createElement("b");
  const panel = document.createElement("div");
  const said = document.createElement("p");
  const line = document.createElement("a");
  const again = document.createElement("button");
  const close = document.createElement("button");
  const phone = matchMedia("(max-width: 600px)");
  const view = window.visualViewport;
  /** A try gets an address of its own: browsers keep that a module could not be loaded. @returns {Promise<any>} */
  const load = (tries = 0) =>
    import(`${origin}/widget/${site}/look.js?language=${language.startsWith("zh") ? "zh" : "en"}${tries ? `&try=${tries}` : ""}`).then(
      (module) => module.default,
      async (error) => {
        if (tries > 7) throw error;
        await new Promise((then) => setTimeout(then, 1000 * 2 ** tries));
        return load(tries + 1);
      },
    );
  const look = load();

  /** @param {string} name @param {unknown} [detail] */
  const emit = (name, detail) => listeners[name]?.forEach((heard) => heard(detail));

  /** @param {string} what @param {unknown} [detail] */
  const tell = (what, detail) => {
    if (isListening) frame?.contentWindow?.postMessage({ lianxin: what, detail }, origin);
  };

  const tellIdentity = async () => {
    if (!isIdentityDue || !nonce) return;
    isIdentityDue = false;
    const token = typeof identity === "function" ? await identity(nonce) : identity;
    if (token) tell("identify", token);
  };

  /** Whether a conversation is under way, so that the next page makes the frame at once. @param {boolean} [is] */
  const underWay = (is) => {
    try {
      if (is) localStorage[flag] = 1;
      else if (is === false) delete localStorage[flag];
      return localStorage[flag];
    } catch {
      // Blocked: then the frame is made on opening.
    }
  };

  /** The keyboard of a phone takes a part of the screen; the frame gets the rest. */
  const fit = () => {
    const isFull = view && isOpen && phone.matches;
    host.style.setProperty("--height", isFull ? `${view.height}px` : "");
    host.style.setProperty("--top", isFull ? `${view.offsetTop}px` : "");
  };

  const draw = () => {
    host.className = (isOpen ? "open " : "") + (isReady ? "ready" : "");
  };

  const drop = () => {
    frame?.remove();
    frame = undefined;
    isListening = isReady = false;
    silent = 0;
    draw();
  };

  /** It was blocked, is away or has crashed: another one is made on the next opening, and by itself. */
  const fail = async () => {
    const hadFocus = shadow.activeElement;
    drop();
    said.textContent = (await look).failed;
    if (hadFocus) again.focus();
    setTimeout(tryAgain, 30_000);
  };

  const tryAgain = () => {
    if (isOpen || underWay()) makeFrame();
  };

  const makeFrame = async () => {
    const { title, frame: path } = await look;
    if (frame) return;
    frame = document.createElement("iframe");
    frame.title = title;
    frame.src = origin + path;
    frame.onload = () => {
      isListening = true;
      isReady = false;
      draw();
      const device = phone.matches ? "phone" : matchMedia("(pointer: coarse)").matches ? "tablet" : "desktop";
      tell("hello", { page: location.pathname, device, theme, isShown: isOpen });
      if (isLeaving) tell("logout");
      isLeaving = false;
    };
    shadow.append(frame);
    // From the launcher or from our panel; never from the page, which may be written in meanwhile.
    if (shadow.activeElement) frame.focus();
  };

  /** @param {boolean} to */
  const show = async (to) => {
    if (to === isOpen) return;
    isOpen = to;
    if (to) await makeFrame();
    draw();
    button.ariaExpanded = String(isOpen);
    if (isOpen && phone.matches) {
      overflow = root.style.overflow;
      root.style.overflow = "hidden";
    } else if (overflow !== undefined) {
      root.style.overflow = overflow;
      overflow = undefined;
    }
    fit();
    tell(isOpen ? "show" : "hide");
    (isOpen ? frame : button)?.focus();
    emit(isOpen ? "open" : "close");
  };

  addEventListener("message", async ({ source, origin: from, data }) => {
    if (!frame || source !== frame.contentWindow || from !== origin || !data?.lianxin) return;
    const { lianxin: what, detail } = data;
    silent = 0;
    if (what === "ready") {
      isReady = true;
      said.textContent = "";
      draw();
    }
    if (what === "close") show(false);
    else if (what === "under_way") underWay(detail);
    else if (what === "nonce" || what === "identify") {
      if (what === "nonce") nonce = detail;
      else isIdentityDue = typeof identity === "function";
      tellIdentity();
    }
    else emit(what, detail);
    if (what !== "unread") return;
    const { launcher, title, unread } = await look;
    mark.textContent = detail > 99 ? "99+" : detail || "";
    button.ariaLabel = (launcher || title) + (detail ? `, ${unread.replace("{count}", detail)}` : "");
  });

  page.Lianxin = {
    open: () => show(true),
    close: () => show(false),
    /** @param {string | ((nonce: string) => string | Promise<string>)} token or where to get one: it is short-lived */
    identify: (token) => {
      identity = token;
      isIdentityDue = true;
      tellIdentity();
    },
    logout: () => {
      identity = undefined;
      nonce = "";
      isLeaving = !isListening;
      underWay(false);
      tell("logout");
      return makeFrame();
    },
    /** @param {string} name @param {(detail?: unknown) => void} heard @returns {() => void} to stop it */
    on: (name, heard) => ((listeners[name] ??= new Set()).add(heard), () => void listeners[name].delete(heard)),
  };

  // On the root, so that a page that puts another body in place of its own does not take us along.
  const attach = () => {
    if (host.isConnected) return;
    document.documentElement.append(host);
    observer.observe(document.documentElement, { childList: true });
  };
  const observer = new MutationObserver(attach);

  look.then(({ accent, position: side, launcher, title, again: retry, close: leave, hotline }) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(
      `:host{all:initial;position:fixed;z-index:2147483000;${side}:20px;bottom:20px}` +
        "button{position:relative;display:flex;align-items:center;gap:12px;min-width:56px;height:56px;padding:0 20px;border:0;" +
        'border-radius:28px;font:500 16px system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;color:#fff;' +
        `background:${accent};cursor:pointer;box-shadow:0 6px 24px #0004}` +
        `@supports(color:oklch(from red l c h)){button{background:oklch(from ${accent} min(l,.46) min(c,.14) h)}}` +
        "button:focus-visible{outline:3px solid #fff;box-shadow:0 0 0 6px #000}" +
        "i{width:12px;height:12px;border-radius:50%;background:#ffc15e;box-shadow:0 0 0 4px #ffc15e4d,0 0 16px 4px #ffc15e99}" +
        `b{position:absolute;top:-6px;${side}:-6px;min-width:24px;padding:0 7px;box-sizing:border-box;border-radius:12px;` +
        "font:600 13px/24px system-ui;text-align:center;color:#3d2600;background:#ffc15e}" +
        "b:empty,:host(.open) #l,:host(:not(.open)) :is(iframe,div),:host(.ready) div{display:none}" +
        ":host(:not(.ready)) iframe{opacity:0;pointer-events:none}" +
        "div{display:grid;place-content:center;gap:16px;box-sizing:border-box;font:16px system-ui;text-align:center;background:#fff}" +
        "div *{all:revert;font:inherit;padding:12px 16px}div :last-child{position:absolute;top:12px;right:12px}" +
        `iframe,div{position:fixed;${side}:20px;bottom:20px;width:384px;height:min(640px,calc(100dvh - 40px));border:0;` +
        "border-radius:16px;box-shadow:0 16px 48px #0005;color-scheme:normal;animation:a .14s}" +
        "@keyframes a{from{opacity:0;transform:translateY(12px)}}" +
        "@media(prefers-reduced-motion:reduce){iframe,div{animation:none}}" +
        "@media(max-width:600px){iframe,div{inset:var(--top,0) 0 auto;width:100%;height:var(--height,100dvh);border-radius:0}}" +
        "@media print{:host{display:none}}",
    );
    shadow.adoptedStyleSheets = [sheet];
    button.append(document.createElement("i"), launcher, mark);
    button.id = "l";
    button.ariaHasPopup = "dialog";
    button.ariaExpanded = "false";
    button.ariaLabel = launcher || title;
    button.onclick = () => show(true);
    again.textContent = retry;
    again.onclick = () => {
      drop();
      makeFrame();
    };
    close.textContent = "✕";
    close.ariaLabel = leave;
    close.onclick = () => show(false);
    panel.onkeydown = ({ key }) => key === "Escape" && show(false);
    said.ariaLive = "polite";
    line.href = `tel:${hotline}`;
    line.textContent = hotline;
    panel.append(said, again, line, close);
    shadow.append(button, panel);
    attach();
    observer.observe(document, { childList: true });
    addEventListener("online", tryAgain);
    // An error page, a blocked or a crashed frame says nothing; one that is not looked at may sleep.
    setInterval(() => {
      if (!frame || (isReady && (!isOpen || document.hidden))) return;
      if (++silent > 3) fail();
      else tell("ping");
    }, 5_000);
    view?.addEventListener("resize", fit);
    view?.addEventListener("scroll", fit);
    if (underWay()) makeFrame();
  });
})();
