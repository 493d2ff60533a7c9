"""Hostile text on every page of a real browser: the same letters, and nothing runs; with our policy and without.

`strings.json` is our own; where the data stands beside the checkout, its naughty strings and its thousands of
payloads come too, hundreds to a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest
from playwright.sync_api import Dialog, Page, Request, Response

from tests.browser.conftest import ChatServer, PageFactory, SignIn
from tests.browser.waiting import wait_until
from tests.hostile import load
from tests.people import HAO, MEI, SITE_KEY, WEN, YUN

# Before anything of a page runs: whatever a payload calls is noted.
TRAPS = """(() => {
  const calls = [];
  Object.defineProperty(window, "trapped", { value: calls });
  for (const name of ["alert", "confirm", "prompt", "print", "open"]) window[name] = () => void calls.push(name);
  Object.defineProperty(window, "__pwned", { set: () => void calls.push("__pwned"), get: () => undefined });
})()"""
# What no page of ours holds, wherever it stands.
AUDIT = r"""() => {
  const found = [...window.trapped.map((name) => `called ${name}`)];
  const never = "iframe,frame,object,embed,applet,base,portal,meta[http-equiv],marquee,math,animate,set," +
    "foreignObject,plaintext,xmp,video,svg script,svg a,[srcdoc],[formaction],[ping],[contenteditable]";
  const addresses = /^(href|src|action|data|xlink:href|poster|background)$/;
  for (const element of document.querySelectorAll(never)) found.push(`<${element.localName}>`);
  for (const script of document.scripts) {
    const isData = script.type === "application/json" && script.id;
    const isOurs = ["/static/", "/admin/jsi18n/"].some((path) => script.src.startsWith(location.origin + path));
    if (!isData && !isOurs) found.push(`script ${script.src || "inline"}`);
  }
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) found.push(`<${element.localName} ${name}>`);
      if (addresses.test(name) && /^[\s\x00-\x20]*(javascript|vbscript|data:text)/i.test(value)) {
        found.push(`<${element.localName} ${name}=${value.slice(0, 40)}>`);
      }
    }
  }
  return found;
}"""
TEXTS_OF = "elements => elements.map(element => element.textContent)"


class Guarded(Protocol):
    def __call__(self, bypass_csp: bool, allow: str = "") -> tuple[Page, Guard]: ...


class Guard:
    """Watches what a page asks the network for, and looks it over."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url
        self.found: list[str] = []
        page.add_init_script(TRAPS)
        # Some payloads name outside hosts: what is not ours does not leave the browser.
        page.context.route(
            re.compile(r"^(?!http://127\.0\.0\.1[:/]|blob:|data:)"), lambda route: route.abort()
        )
        page.on("request", self._asked)
        page.on("response", self._answered)
        page.on("dialog", self._said)
        page.on("popup", lambda popup: self.found.append(f"a window: {popup.url}"))
        page.on("download", lambda download: self.found.append(f"a download: {download.url}"))

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self._url}/", "blob:", "data:image/")):
            self.found.append(f"asked for {request.url[:200]}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{response.status} for {response.url[:200]}")

    def _said(self, dialog: Dialog) -> None:
        self.found.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def look(self) -> None:
        """Fails with everything on the page that is not ours, and everything that ran."""
        address = self._page.url
        self.found += [f"{words} on {address}" for words in self._page.evaluate(AUDIT)]
        assert not self.found, "\n".join(self.found[:20])


def texts(page: Page, selector: str) -> list[str]:
    found: list[str] = page.eval_on_selector_all(selector, TEXTS_OF)
    return found


def wait_for(page: Page, selector: str, count: int) -> None:
    wait_until(
        page, "([selector, count]) => document.querySelectorAll(selector).length >= count", [selector, count]
    )


def loaded(server: ChatServer, what: str) -> list[dict[str, Any]]:
    printed = server.manage("shell", "-v0", "-c", f"from tests.hostile import load; load.{what}()")
    line = next(line for line in printed.splitlines() if line.startswith("loaded "))
    found: list[dict[str, Any]] = json.loads(line.removeprefix("loaded "))
    return found


def shares(found: Sequence[dict[str, Any]], key: str, all_of: Sequence[str]) -> list[Sequence[str]]:
    """The part of the strings that each of what was loaded holds."""
    parts, begin = [], 0
    for one in found:
        parts.append(all_of[begin : begin + one[key]])
        begin += one[key]
    assert begin == len(all_of)
    return parts


@pytest.fixture
def guarded(page_factory: PageFactory, server: ChatServer) -> Guarded:
    def make(bypass_csp: bool, allow: str = "") -> tuple[Page, Guard]:
        page = page_factory(bypass_csp=bypass_csp, allow=allow)
        page.set_default_timeout(30_000)
        return page, Guard(page, server.url)

    return make


@pytest.fixture
def replies(server: ChatServer) -> Iterator[None]:
    """Takes the replies away again: they belong to what stays for other tests."""
    yield
    server.execute("DELETE FROM chat_cannedreply")


# With the policy that we send, and with none: what is stored must not run for want of a policy.
POLICIES = {"with our policy": False, "without a policy": True}


def test_the_audit_finds_what_runs(guarded: Guarded) -> None:
    """The net has no hole where the payloads are: the plainest of them are found when a page lets them in."""
    for payload in (
        "<img src=x onerror=window.__pwned=1>",
        "<svg onload=alert(1)>",
        "<a href=' javascript:alert(1)'>x</a>",
        "<iframe srcdoc='x'></iframe>",
        "<img src='//evil.example/x.png'>",
    ):
        page, guard = guarded(True, allow=".")
        page.goto(f"/widget/{SITE_KEY}/")
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", payload)
        with pytest.raises(AssertionError):
            guard.look()
        page.context.close()


def test_messages_notes_and_comments(server: ChatServer, sign_in: SignIn, guarded: Guarded) -> None:
    found = loaded(server, "conversations")
    messages = shares(found, "messages", load.MESSAGES)
    notes = shares(found, "notes", load.NOTES)
    for bypass_csp in POLICIES.values():
        box, box_guard = guarded(bypass_csp)
        staff, staff_guard = guarded(bypass_csp)
        sign_in(staff, YUN)
        for index, (one, said, noted) in enumerate(zip(found, messages, notes, strict=True)):
            in_the_box(box, one, said)
            box_guard.look()
            in_the_console(staff, one, said, noted, load.NAMES[index])
            staff_guard.look()
            in_admin(staff, staff_guard, one, said, noted, load.COMMENTS[index])
        box.context.close()
        staff.context.close()


def in_the_box(page: Page, one: dict[str, Any], said: Sequence[str]) -> None:
    """As the visitor's own browser shows it, which holds their token."""
    page.goto("/healthz")
    token = f"{one['token']} {one['uuid']}"
    page.evaluate("([key, token]) => localStorage.setItem(key, token)", [f"lianxin.{SITE_KEY}.token", token])
    page.goto(f"/widget/{SITE_KEY}/")
    wait_for(page, "#log .message", len(said))
    assert texts(page, "#log .message .body") == said
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")


def in_the_console(
    page: Page, one: dict[str, Any], said: Sequence[str], noted: Sequence[str], name: str
) -> None:
    page.goto(f"/console/conversations/{one['uuid']}/")
    wait_for(page, "#messages .message", len(said))
    assert texts(page, "#messages .message .body") == said
    assert texts(page, "#messages .note .body") == noted
    page.wait_for_selector(".card-name")
    assert texts(page, "#talk-name, .card-name") == [name, name]


def in_admin(
    page: Page, guard: Guard, one: dict[str, Any], said: Sequence[str], noted: Sequence[str], comment: str
) -> None:
    """The record, page by page."""
    record = f"/admin/chat/conversation/{one['pk']}/change/"
    shown: list[str] = []
    shown_notes: list[str] = []
    address: str | None = ""
    while address is not None:
        page.goto(record + address)
        shown += texts(page, ".entry.visitor .body")
        shown_notes += texts(page, ".entry.note .body")
        assert comment in texts(page, ".card p.body")
        guard.look()
        further = page.locator(".record a[href^='?after=']")
        address = further.get_attribute("href") if further.count() else None
    assert shown == said
    assert shown_notes == noted


# As a person, or a script on their keyboard, gets them into the field. JavaScript writes them: the first is half an
# emoji, which no other language lets through.
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


def test_what_is_typed_arrives_on_the_other_side(
    server: ChatServer, sign_in: SignIn, guarded: Guarded
) -> None:
    box, box_guard = guarded(False)
    box.goto(f"/widget/{SITE_KEY}/")
    box.fill("#field-name", "<b>name</b> {{ 7*7 }}")
    staff, staff_guard = guarded(False)
    sign_in(staff, MEI)
    staff.goto("/console/")
    wanted = []
    for script, expected in TYPED:
        text = box.evaluate(f"document.getElementById('text').value = {script}") if expected is None else None
        if text is None:
            box.evaluate(f"void (document.getElementById('text').value = {script})")
        wanted.append(expected or text)
        box.press("#text", "Enter")
        wait_for(box, "#log .message.mine", len(wanted))
    assert texts(box, "#log .message .body") == wanted

    staff.click("#take-next")
    wait_for(staff, "#messages .message.theirs", len(wanted))
    assert texts(staff, "#messages .message.theirs .body") == wanted
    assert texts(staff, "#talk-name") == ["<b>name</b> {{ 7*7 }}"]
    for count, (script, _) in enumerate(TYPED, start=1):
        staff.evaluate(f"void (document.getElementById('body').value = {script})")
        staff.press("#body", "Enter")
        wait_for(staff, "#messages .message.mine", count)
    assert texts(staff, "#messages .message.mine .body") == wanted
    wait_for(box, "#log .message.theirs", len(wanted))
    assert texts(box, "#log .message.theirs .body") == wanted
    box_guard.look()
    staff_guard.look()


@pytest.mark.usefixtures("replies")
def test_names_comments_and_replies_in_lists(server: ChatServer, sign_in: SignIn, guarded: Guarded) -> None:
    found = loaded(server, "lists")
    comments = shares(found, "comments", load.COMMENTS)
    for bypass_csp in POLICIES.values():
        page, guard = guarded(bypass_csp)
        sign_in(page, YUN)

        # Everybody's name in the supervisor's list, with what they said last.
        page.goto("/console/")
        wait_for(page, "#team > *", len(load.NAMES))
        assert sorted(texts(page, "#team .name")) == sorted(load.NAMES)
        guard.look()

        # The comments, on the cards of those who wrote them.
        page.context.clear_cookies()
        sign_in(page, HAO)
        page.goto("/console/")
        for one, written in zip(found, comments, strict=True):
            page.evaluate(
                "uuid => htmx.ajax('GET', `/console/conversations/${uuid}/card`, '#card-body')", one["uuid"]
            )
            assert texts(page, "#card-body q") == list(reversed(written))
            guard.look()

        # The replies where they are kept, and what a search shows.
        page.context.clear_cookies()
        sign_in(page, YUN)
        page.goto("/console/replies/")
        assert texts(page, "td p") == load.REPLIES
        guard.look()
        page.goto("/admin/chat/cannedreply/")
        guard.look()
        page.goto("/console/search")
        page.fill("input[name=q]", "script")
        page.press("input[name=q]", "Enter")
        page.wait_for_selector("#results")
        guard.look()

        page.context.clear_cookies()
        sign_in(page, WEN)
        page.goto("/admin/chat/conversation/")
        assert page.locator("#result_list tbody tr").count() == 50
        guard.look()
        page.context.close()
