"""What the box weighs: real answers of the server, as they go over the wire."""

from __future__ import annotations

import gzip
from html.parser import HTMLParser

from tests.bench import load, servers
from tests.bench.plan import Plan
from tests.bench.rows import Row, Void
from tests.bench.web import Web


def widget_rows(plan: Plan) -> list[Row]:
    with servers.lianxin() as running:
        running.desk(agents=1)
        host, opened = load.run(_fetch(running.app.url))
    return [
        Row("widget_host_kb", sum(host.values()) / 1000, f"gzip, bodies of {_list(host)}"),
        Row("widget_open_kb", sum(opened.values()) / 1000, f"gzip, bodies of {_list(opened)}"),
    ]


async def _fetch(url: str) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes by path, on the bank's page and after opening."""
    web = Web(url)
    host = {path: len(await _body(web, path)) for path in ("/widget.js", "/widget/bench/look.js")}
    page = await web.get("/widget/bench/")
    parts = _Parts()
    parts.feed(gzip.decompress(page.body).decode())
    opened = {"/widget/bench/": len(page.body)}
    opened |= {path: len(await _body(web, path)) for path in sorted(parts.paths)}
    web.close()
    if len(opened) < 3:
        raise Void(f"the box names no script and style: {opened}")
    return host, opened


async def _body(web: Web, path: str) -> bytes:
    answer = await web.get(path)
    # Below 200 bytes Django does not compress.
    is_as_sent = answer.headers.get("content-encoding") == "gzip" or len(answer.body) < 200
    if answer.status != 200 or not is_as_sent:
        raise Void(f"{path} was answered with {answer.status}, {answer.headers}")
    return answer.body


class _Parts(HTMLParser):
    """The addresses of the scripts and styles that a page loads."""

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
