// Lianxin on a bank's page: a launcher button with an unread count, and a frame that is created when the visitor first
// opens the widget. See docs/embed.md.
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
  /** The nonce that the next identity token must contain; the widget sends it. */
  let nonce = "";
  let isIdentityDue = false;
  /** The value of the page's own `overflow` style while the loader replaces it. @type {string | undefined} */
  let overflow;
  let isOpen = false;
  let isListening = false;
  let isLeaving = false;
  /** Whether the widget has answered. Until then the loader shows a panel of its own, which can always be closed. */
  let isReady = false;
  /** The number of pings that the frame has not answered. */
  let unansweredPings = 0;
  const host = document.createElement("div");
  const shadow = host.attachShadow({ mode: "closed" });
  const button = document.createElement("button");
  const unreadBadge = document.createElement("b");
  const panel = document.createElement("div");
  const errorText = document.createElement("p");
  const hotlineLink = document.createElement("a");
  const reloadButton = document.createElement("button");
  const closeButton = document.createElement("button");
  const phone = matchMedia("(max-width: 600px)");
  const view = window.visualViewport;
  /**
   * Loads the site's settings. Each try has a different URL, because browsers remember that a module could not be loaded.
   *
   * @returns {Promise<any>}
   */
  const load = (tries = 0) =>
    import(`${origin}/widget/${site}/look.js?language=${language.startsWith("zh") ? "zh" : "en"}${tries ? `&try=${tries}` : ""}`).then(
      (module) => module.default,
      async (error) => {
        if (tries > 7) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** tries));
        return load(tries + 1);
      },
    );
  const siteValues = load();

  /** @param {string} name @param {unknown} [detail] */
  const emit = (name, detail) => listeners[name]?.forEach((listener) => listener(detail));

  /** @param {string} name @param {unknown} [detail] */
  const send = (name, detail) => {
    if (isListening) frame?.contentWindow?.postMessage({ lianxin: name, detail }, origin);
  };

  const sendIdentity = async () => {
    if (!isIdentityDue || !nonce) return;
    isIdentityDue = false;
    const token = typeof identity === "function" ? await identity(nonce) : identity;
    if (token) send("identify", token);
  };

  /**
   * Returns the flag that a conversation is open, after changing it to `value`, if given. If the flag is set, the bank's
   * next page creates the frame at once.
   *
   * @param {boolean} [value]
   */
  const underWay = (value) => {
    try {
      if (value) localStorage[flag] = 1;
      else if (value === false) delete localStorage[flag];
      return localStorage[flag];
    } catch {
      // Storage is blocked: the frame is created when the widget is opened.
    }
  };

  /** Fits the frame into the part of a phone's screen that its keyboard leaves free. */
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
    unansweredPings = 0;
    draw();
  };

  /**
   * Removes a frame that is blocked, unreachable or crashed, and shows the error. Another frame is created after 30 s
   * if the widget is open or a conversation is under way, otherwise when the widget is opened.
   */
  const fail = async () => {
    const hadFocus = shadow.activeElement;
    drop();
    errorText.textContent = (await siteValues).failed;
    if (hadFocus) reloadButton.focus();
    setTimeout(tryAgain, 30_000);
  };

  const tryAgain = () => {
    if (isOpen || underWay()) makeFrame();
  };

  const makeFrame = async () => {
    const { title, frame: path } = await siteValues;
    if (frame) return;
    frame = document.createElement("iframe");
    frame.title = title;
    frame.src = origin + path;
    frame.onload = () => {
      isListening = true;
      isReady = false;
      draw();
      const device = phone.matches ? "phone" : matchMedia("(pointer: coarse)").matches ? "tablet" : "desktop";
      send("hello", { page: location.pathname, device, theme, isShown: isOpen });
      if (isLeaving) send("logout");
      isLeaving = false;
    };
    shadow.append(frame);
    // Take the focus only from the launcher or our panel, never from the bank's page, where someone may be typing.
    if (shadow.activeElement) frame.focus();
  };

  /** @param {boolean} isShown */
  const show = async (isShown) => {
    if (isShown === isOpen) return;
    isOpen = isShown;
    if (isShown) await makeFrame();
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
    send(isOpen ? "show" : "hide");
    (isOpen ? frame : button)?.focus();
    emit(isOpen ? "open" : "close");
  };

  addEventListener("message", async ({ source, origin: from, data }) => {
    if (!frame || source !== frame.contentWindow || from !== origin || !data?.lianxin) return;
    const { lianxin: name, detail } = data;
    unansweredPings = 0;
    if (name === "ready") {
      isReady = true;
      errorText.textContent = "";
      draw();
    }
    if (name === "close") show(false);
    else if (name === "under_way") underWay(detail);
    else if (name === "nonce" || name === "identify") {
      if (name === "nonce") nonce = detail;
      else isIdentityDue = typeof identity === "function";
      sendIdentity();
    }
    else emit(name, detail);
    if (name !== "unread") return;
    const { launcher, title, unread } = await siteValues;
    unreadBadge.textContent = detail > 99 ? "99+" : detail || "";
    button.ariaLabel = (launcher || title) + (detail ? `, ${unread.replace("{count}", detail)}` : "");
  });

  page.Lianxin = {
    open: () => show(true),
    close: () => show(false),
    /**
     * Signs the customer in.
     *
     * @param {string | ((nonce: string) => string | Promise<string>)} token an identity token, or a function that returns
     *   one; a token is short-lived, so a function is called whenever the widget needs another
     */
    identify: (token) => {
      identity = token;
      isIdentityDue = true;
      sendIdentity();
    },
    logout: () => {
      identity = undefined;
      nonce = "";
      isLeaving = !isListening;
      underWay(false);
      send("logout");
      return makeFrame();
    },
    /** @param {string} name @param {(detail?: unknown) => void} listener @returns {() => void} removes the listener */
    on: (name, listener) => ((listeners[name] ??= new Set()).add(listener), () => void listeners[name].delete(listener)),
  };

  // Attach to the root element, because some pages replace their body.
  const attach = () => {
    if (host.isConnected) return;
    document.documentElement.append(host);
    observer.observe(document.documentElement, { childList: true });
  };
  const observer = new MutationObserver(attach);

  siteValues.then(({ accent, position: side, launcher, title, again: reload, close, hotline }) => {
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
    button.append(document.createElement("i"), launcher, unreadBadge);
    button.id = "l";
    button.ariaHasPopup = "dialog";
    button.ariaExpanded = "false";
    button.ariaLabel = launcher || title;
    button.onclick = () => show(true);
    reloadButton.textContent = reload;
    reloadButton.onclick = () => {
      drop();
      makeFrame();
    };
    closeButton.textContent = "✕";
    closeButton.ariaLabel = close;
    closeButton.onclick = () => show(false);
    panel.onkeydown = ({ key }) => key === "Escape" && show(false);
    errorText.ariaLive = "polite";
    hotlineLink.href = `tel:${hotline}`;
    hotlineLink.textContent = hotline;
    panel.append(errorText, reloadButton, hotlineLink, closeButton);
    shadow.append(button, panel);
    attach();
    observer.observe(document, { childList: true });
    addEventListener("online", tryAgain);
    // Error pages and blocked or crashed frames answer no pings. A frame that is not visible is not checked, because
    // the browser may suspend it.
    setInterval(() => {
      if (!frame || (isReady && (!isOpen || document.hidden))) return;
      if (++unansweredPings > 3) fail();
      else send("ping");
    }, 5_000);
    view?.addEventListener("resize", fit);
    view?.addEventListener("scroll", fit);
    if (underWay()) makeFrame();
  });
})();
