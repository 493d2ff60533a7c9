"""Measures the size of the widget: the bytes that the server really transfers, which may be compressed."""

from __future__ import annotations

import gzip
from html.parser import HTMLParser

from tests.bench import load, servers
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.harness.http_client import HttpClient


def widget_rows(plan: Plan) -> list[Row]:
    with servers.lianxin() as running:
        running.create_staff(agents=1)
        host, after_opening = load.run(_fetch(running.app.url))
    return [
        Row("widget_host_kb", sum(host.values()) / 1000, f"gzip, response bodies of {_list(host)}"),
        Row(
            "widget_open_kb",
            sum(after_opening.values()) / 1000,
            f"gzip, response bodies of {_list(after_opening)}",
        ),
    ]


async def _fetch(url: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return two dicts of bytes by path: the files loaded on the bank's page, and those loaded when the widget
    opens."""
    client = load.http_client(url)
    host = {path: len(await _body(client, path)) for path in ("/widget.js", "/widget/bench/look.js")}
    page = await client.get("/widget/bench/")
    links = _LinkedFiles()
    links.feed(gzip.decompress(page.body).decode())
    after_opening = {"/widget/bench/": len(page.body)}
    after_opening |= {path: len(await _body(client, path)) for path in sorted(links.paths)}
    client.close()
    if len(after_opening) < 3:
        raise Void(f"the widget page refers to no script and style: {after_opening}")
    return host, after_opening


async def _body(client: HttpClient, path: str) -> bytes:
    answer = await client.get(path)
    # Django does not compress responses below 200 bytes.
    is_as_sent = answer.headers.get("content-encoding") == "gzip" or len(answer.body) < 200
    if answer.status != 200 or not is_as_sent:
        raise Void(f"{path} was answered with {answer.status}, {answer.headers}")
    return answer.body


class _LinkedFiles(HTMLParser):
    """Collects the URLs of the scripts, styles and pictures that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = (
            values.get("src") if tag in ("script", "img") else values.get("href") if tag == "link" else None
        )
        if address and address.startswith("/"):
            self.paths.add(address)


def _list(sizes: dict[str, int]) -> str:
    return ", ".join(f"{path} {size}" for path, size in sizes.items())
