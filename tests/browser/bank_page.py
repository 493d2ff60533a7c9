"""A bank's own web server for the tests: one page with our script tag, under a strict content security policy."""

from __future__ import annotations

import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.harness.servers import HOST, free_port
from tests.people import SITE_KEY

PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>青岚银行</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/bank.css">
<script async src="{chat}/widget.js" data-site="{site}"></script>
</head>
<body>
<header><h1>青岚银行 Qinglan Bank</h1></header>
<main>
<h2>今日公告</h2>
<p>本行夜间照常为您服务。The branch in Lantern Street is open until five.</p>
<p><a href="/?lang=zh-CN">中文</a> <a href="/?lang=en">English</a></p>
<p><label>卡号 <input name="card" autocomplete="off"></label></p>
</main>
</body>
</html>
"""
STYLE = """body { margin: 0; font: 16px/1.6 system-ui, "Noto Sans CJK SC", sans-serif; background: #fff; color: #222 }
header { background: #123a5e; color: #fff; padding: 8px 24px } main { padding: 24px; min-height: 1200px }
"""
# The strictest policy with which the widget works. It allows our script and our frame.
POLICY = (
    "default-src 'none'; script-src {chat}; frame-src {chat}; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


class BankPage:
    """Serves the bank's page on two origins, 127.0.0.1 and localhost. The site allows only the second one."""

    def __init__(self) -> None:
        self.port = free_port()
        self.chat = ""
        bank = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/":
                    query = parse_qs(parts.query)
                    page = PAGE.format(
                        chat=bank.chat,
                        language=escape(query.get("lang", ["zh-CN"])[0], quote=True),
                        site=escape(query.get("site", [SITE_KEY])[0], quote=True),
                    )
                    self._answer(200, "text/html; charset=utf-8", page)
                elif parts.path == "/bank.css":
                    self._answer(200, "text/css; charset=utf-8", STYLE)
                else:
                    self._answer(404, "text/plain", "")

            def _answer(self, status: int, content_type: str, text: str) -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Security-Policy", POLICY.format(chat=bank.chat))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
