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
  const host = document.createElement("div");
  const shadow = host.attachShadow({ mode: "closed" });
  const button = document.createElement("button");
  const mark = document.createElement("b");
  const phone = matchMedia("(max-width: 600px)");
  const view = window.visualViewport;
  const look = import(`${origin}/widget/${site}/look.js?language=${language.startsWith("zh") ? "zh" : "en"}`).then(
    (module) => module.default,
  );

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

  const makeFrame = async () => {
    const { title, frame: path } = await look;
    if (frame) return;
    frame = document.createElement("iframe");
    frame.title = title;
    frame.src = origin + path;
    frame.onload = () => {
      isListening = true;
      const device = phone.matches ? "phone" : matchMedia("(pointer: coarse)").matches ? "tablet" : "desktop";
      tell("hello", { page: location.pathname, device, theme, isShown: isOpen });
      if (isLeaving) tell("logout");
      isLeaving = false;
    };
    shadow.append(frame);
  };

  /** @param {boolean} to */
  const show = async (to) => {
    if (to === isOpen) return;
    isOpen = to;
    if (to) await makeFrame();
    host.className = isOpen ? "open" : "";
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

  look.then(({ accent, position: side, launcher, title }) => {
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
        "b:empty,:host(.open) button,:host(:not(.open)) iframe{display:none}" +
        `iframe{position:fixed;${side}:20px;bottom:20px;width:384px;height:min(640px,calc(100dvh - 40px));border:0;` +
        "border-radius:16px;box-shadow:0 16px 48px #0005;color-scheme:normal;animation:a .14s}" +
        "@keyframes a{from{opacity:0;transform:translateY(12px)}}" +
        "@media(prefers-reduced-motion:reduce){iframe{animation:none}}" +
        "@media(max-width:600px){iframe{inset:var(--top,0) 0 auto;width:100%;height:var(--height,100dvh);border-radius:0}}" +
        "@media print{:host{display:none}}",
    );
    shadow.adoptedStyleSheets = [sheet];
    button.append(document.createElement("i"), launcher, mark);
    button.ariaHasPopup = "dialog";
    button.ariaExpanded = "false";
    button.ariaLabel = launcher || title;
    button.onclick = () => show(true);
    shadow.append(button);
    const appear = () => document.body.append(host);
    if (document.body) appear();
    else addEventListener("DOMContentLoaded", appear);
    view?.addEventListener("resize", fit);
    view?.addEventListener("scroll", fit);
    if (underWay()) makeFrame();
  });
})();
