"""Browser tests of hostile text: pages show it unchanged and never run it, with and without our content security
policy.

The strings come from tests/hostile/strings.json. If the shared data lies beside the checkout, its naughty strings and
thousands of XSS payloads are added. One page shows hundreds of strings. The tests show all of them without a policy,
because a policy could stop a payload from running and so hide an error. With our policy, they show one conversation and
one visitor card, and any violation of the policy fails the test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

import pytest
from playwright.sync_api import Dialog, Page, Request, Response

from tests.browser.conftest import ChatServer, PageFactory, SignIn
from tests.browser.waiting import wait_until
from tests.hostile import load
from tests.people import HAO, MEI, SITE_KEY, WEN, YUN

# Runs before any script of a page: records every function that a payload calls.
TRAPS = """(() => {
  const calls = [];
  Object.defineProperty(window, "trapped", { value: calls });
  for (const name of ["alert", "confirm", "prompt", "print", "open"]) window[name] = () => void calls.push(name);
  Object.defineProperty(window, "__pwned", { set: () => void calls.push("__pwned"), get: () => undefined });
})()"""
# Reports elements and attributes that none of our pages contains, and recorded calls.
AUDIT = r"""() => {
  const problems = [...window.trapped.map((name) => `called ${name}`)];
  const never = "iframe,frame,object,embed,applet,base,portal,meta[http-equiv],marquee,math,animate,set," +
    "foreignObject,plaintext,xmp,video,svg script,svg a,[srcdoc],[formaction],[ping],[contenteditable]";
  const addresses = /^(href|src|action|data|xlink:href|poster|background)$/;
  for (const element of document.querySelectorAll(never)) problems.push(`<${element.localName}>`);
  for (const script of document.scripts) {
    const isData = script.type === "application/json" && script.id;
    const isOurs = ["/static/", "/admin/jsi18n/"].some((path) => script.src.startsWith(location.origin + path));
    if (!isData && !isOurs) problems.push(`script ${script.src || "inline"}`);
  }
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) problems.push(`<${element.localName} ${name}>`);
      if (addresses.test(name) && /^[\s\x00-\x20]*(javascript|vbscript|data:text)/i.test(value)) {
        problems.push(`<${element.localName} ${name}=${value.slice(0, 40)}>`);
      }
    }
  }
  return problems;
}"""
TEXTS_OF = "elements => elements.map(element => element.textContent)"


class GuardedPageFactory(Protocol):
    def __call__(self, bypass_csp: bool, allow: str = "") -> tuple[Page, Guard]: ...


class Guard:
    """Records a page's network requests and audits its content."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url
        self.problems: list[str] = []
        page.add_init_script(TRAPS)
        # Some payloads name foreign hosts: abort every request to them.
        page.context.route(
            re.compile(r"^(?!http://127\.0\.0\.1[:/]|blob:|data:)"), lambda route: route.abort()
        )
        page.on("request", self._record_request)
        page.on("response", self._record_response)
        page.on("dialog", self._record_dialog)
        page.on("popup", lambda popup: self.problems.append(f"a window: {popup.url}"))
        page.on("download", lambda download: self.problems.append(f"a download: {download.url}"))

    def _record_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self._url}/", "blob:", "data:image/")):
            self.problems.append(f"asked for {request.url[:200]}")

    def _record_response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status} for {response.url[:200]}")

    def _record_dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Fail if the page contains an element that is not ours, if it has made a foreign request or got an error
        response, or if a payload has run."""
        address = self._page.url
        self.problems += [f"{problem} on {address}" for problem in self._page.evaluate(AUDIT)]
        assert not self.problems, "\n".join(self.problems[:20])


def texts(page: Page, selector: str) -> list[str]:
    contents: list[str] = page.eval_on_selector_all(selector, TEXTS_OF)
    return contents


def wait_for(page: Page, selector: str, count: int) -> None:
    wait_until(
        page, "([selector, count]) => document.querySelectorAll(selector).length >= count", [selector, count]
    )


def load_texts(server: ChatServer, function: str) -> list[dict[str, Any]]:
    printed = server.run_python(f"from tests.hostile import load; load.{function}()")
    line = next(line for line in printed.splitlines() if line.startswith("loaded "))
    loaded: list[dict[str, Any]] = json.loads(line.removeprefix("loaded "))
    return loaded


def split_by_counts(
    loaded: Sequence[dict[str, Any]], key: str, strings: Sequence[str]
) -> list[Sequence[str]]:
    """Split the strings into consecutive parts, one for each item of `loaded`. `item[key]` is the number of strings in
    the item's part."""
    parts, begin = [], 0
    for item in loaded:
        parts.append(strings[begin : begin + item[key]])
        begin += item[key]
    assert begin == len(strings)
    return parts


@pytest.fixture
def guarded_page(page_factory: PageFactory, server: ChatServer) -> GuardedPageFactory:
    def make(bypass_csp: bool, allow: str = "") -> tuple[Page, Guard]:
        page = page_factory(bypass_csp=bypass_csp, allow=allow)
        page.set_default_timeout(30_000)
        return page, Guard(page, server.url)

    return make


def test_audit_finds_injected_payloads(guarded_page: GuardedPageFactory) -> None:
    """Check that `Guard.check` fails for payloads that a page inserts as HTML."""
    for payload in (
        "<img src=x onerror=window.__pwned=1>",
        "<svg onload=alert(1)>",
        "<a href=' javascript:alert(1)'>x</a>",
        "<iframe srcdoc='x'></iframe>",
        "<img src='//evil.example/x.png'>",
    ):
        page, guard = guarded_page(True, allow=".")
        page.goto(f"/widget/{SITE_KEY}/")
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", payload)
        with pytest.raises(AssertionError):
            guard.check()
        page.context.close()


def test_hostile_messages_notes_and_comments_are_shown_as_text(
    server: ChatServer, sign_in: SignIn, guarded_page: GuardedPageFactory
) -> None:
    loaded = load_texts(server, "conversations")
    message_shares = split_by_counts(loaded, "messages", load.MESSAGES)
    note_shares = split_by_counts(loaded, "notes", load.NOTES)
    shares = list(zip(loaded, message_shares, note_shares, load.NAMES, load.COMMENTS, strict=False))
    assert len(shares) == len(loaded)
    for bypass_csp in (True, False):
        widget, widget_guard = guarded_page(bypass_csp)
        staff, staff_guard = guarded_page(bypass_csp)
        sign_in(staff, YUN)
        for loaded_item, messages, notes, name, comment in shares if bypass_csp else shares[:1]:
            check_widget(widget, loaded_item, messages)
            widget_guard.check()
            check_console(staff, loaded_item, messages, notes, name)
            staff_guard.check()
            check_admin(staff, staff_guard, loaded_item, messages, notes, comment)
        widget.context.close()
        staff.context.close()


def check_widget(page: Page, loaded_item: dict[str, Any], messages: Sequence[str]) -> None:
    """Check that the widget shows exactly these messages when the browser has the token of `loaded_item`'s visitor."""
    page.goto("/healthz")
    token = f"{loaded_item['token']} {loaded_item['uuid']}"
    page.evaluate("([key, token]) => localStorage.setItem(key, token)", [f"lianxin.{SITE_KEY}.token", token])
    page.goto(f"/widget/{SITE_KEY}/")
    wait_for(page, "#log .message", len(messages))
    assert texts(page, "#log .message .body") == messages
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")


def check_console(
    page: Page, loaded_item: dict[str, Any], messages: Sequence[str], notes: Sequence[str], name: str
) -> None:
    page.goto(f"/console/conversations/{loaded_item['uuid']}/")
    wait_for(page, "#messages .message", len(messages))
    assert texts(page, "#messages .message .body") == messages
    assert texts(page, "#messages .note .body") == notes
    page.wait_for_selector(".card-name")
    assert texts(page, "#conversation-name, .card-name") == [name, name]


def check_admin(
    page: Page,
    guard: Guard,
    loaded_item: dict[str, Any],
    messages: Sequence[str],
    notes: Sequence[str],
    comment: str,
) -> None:
    """Check the messages, notes and rating comment on all pages of the conversation's record in admin."""
    record = f"/admin/chat/conversation/{loaded_item['pk']}/change/"
    shown: list[str] = []
    shown_notes: list[str] = []
    address: str | None = ""
    while address is not None:
        page.goto(record + address)
        shown += texts(page, ".entry.visitor .body")
        shown_notes += texts(page, ".entry.note .body")
        assert comment in texts(page, ".card p.body")
        guard.check()
        further = page.locator(".record a[href^='?after=']")
        address = further.get_attribute("href") if further.count() else None
    assert shown == messages
    assert shown_notes == notes


# The text to type, and the text expected on the other side (None if the text must arrive unchanged). The text to type
# is a JavaScript expression, because Python cannot pass half an emoji (the first text) to the browser.
TYPED = [
    ('"half \\ud83d"', "half \ufffd"),
    ('"one\\u0000two"', "onetwo"),
    ('"<img src=x onerror=window.__pwned=1>"', None),
    ('"</script><script>window.__pwned=1</script>"', None),
    ('"{{ 7*7 }} {% debug %} %(name)s {0}"', None),
    ('"javascript:window.__pwned=1 https://evil.example/\\"onmouseover=\\"window.__pwned=1"', None),
    ('"\\u202egnp.exe\\u200b\\u2066\\ufeffx"', None),
    ('"👩‍👩‍👧‍👦 𠮷 e\\u0301"', None),
    ('"\\u0001\\u001b[31m\\u007f\\u0085x"', None),
]


def test_hostile_text_typed_on_one_side_arrives_unchanged_on_the_other(
    server: ChatServer, sign_in: SignIn, guarded_page: GuardedPageFactory
) -> None:
    widget, widget_guard = guarded_page(False)
    widget.goto(f"/widget/{SITE_KEY}/")
    widget.fill("#field-name", "<b>name</b> {{ 7*7 }}")
    staff, staff_guard = guarded_page(False)
    sign_in(staff, MEI)
    staff.goto("/console/")
    wanted = []
    for script, expected in TYPED:
        text = (
            widget.evaluate(f"document.getElementById('text').value = {script}") if expected is None else None
        )
        if text is None:
            widget.evaluate(f"void (document.getElementById('text').value = {script})")
        wanted.append(expected or text)
        widget.press("#text", "Enter")
        wait_for(widget, "#log .message.mine", len(wanted))
    assert texts(widget, "#log .message .body") == wanted

    staff.click("#take-next")
    wait_for(staff, "#messages .message.theirs", len(wanted))
    assert texts(staff, "#messages .message.theirs .body") == wanted
    assert texts(staff, "#conversation-name") == ["<b>name</b> {{ 7*7 }}"]
    for count, (script, _) in enumerate(TYPED, start=1):
        staff.evaluate(f"void (document.getElementById('body').value = {script})")
        staff.press("#body", "Enter")
        wait_for(staff, "#messages .message.mine", count)
    assert texts(staff, "#messages .message.mine .body") == wanted
    wait_for(widget, "#log .message.theirs", len(wanted))
    assert texts(widget, "#log .message.theirs .body") == wanted
    widget_guard.check()
    staff_guard.check()


def test_hostile_names_comments_and_replies_are_shown_as_text_in_lists(
    server: ChatServer, sign_in: SignIn, guarded_page: GuardedPageFactory
) -> None:
    loaded = load_texts(server, "lists")
    cards = list(zip(loaded, split_by_counts(loaded, "comments", load.COMMENTS), strict=True))
    for bypass_csp in (True, False):
        page, guard = guarded_page(bypass_csp)
        sign_in(page, YUN)

        # Check the names and last messages in the supervisor's list.
        page.goto("/console/")
        wait_for(page, "#team > *", len(load.NAMES))
        assert sorted(texts(page, "#team .name")) == sorted(load.NAMES)
        guard.check()

        # Check the visitors' rating comments on the visitor cards in the agent's console.
        page.context.clear_cookies()
        sign_in(page, HAO)
        page.goto("/console/")
        for loaded_item, written in cards if bypass_csp else cards[:1]:
            page.evaluate(
                "uuid => htmx.ajax('GET', `/console/conversations/${uuid}/card`, '#card-body')",
                loaded_item["uuid"],
            )
            assert texts(page, "#card-body q") == list(reversed(written))
            guard.check()

        # Check the list of canned replies, and search results.
        page.context.clear_cookies()
        sign_in(page, YUN)
        page.goto("/console/replies/")
        assert texts(page, "td p") == load.REPLIES
        guard.check()
        page.goto("/admin/chat/cannedreply/")
        guard.check()
        page.goto("/console/search")
        page.fill("input[name=q]", "script")
        page.press("input[name=q]", "Enter")
        page.wait_for_selector("#results")
        guard.check()

        page.context.clear_cookies()
        sign_in(page, WEN)
        page.goto("/admin/chat/conversation/")
        assert page.locator("#result_list tbody tr").count() == 50
        guard.check()
        page.context.close()
