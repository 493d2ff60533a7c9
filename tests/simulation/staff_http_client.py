"""The HTTP side of a staff member's browser: the login form, the session cookie, and POSTs."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

TIMEOUT_SECONDS = 30


class SignInFailed(RuntimeError):
    pass


class StaffHttpClient:
    """An HTTP client with a session: `await StaffHttpClient(url).sign_in(...)`, then `post` and `get`, each
    on a thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))

    async def sign_in(self, username: str, password: str) -> None:
        """Fill in the console's login form. Raises SignInFailed."""
        await asyncio.to_thread(self._sign_in, username, password)

    def _sign_in(self, username: str, password: str) -> None:
        status, page = self._call("GET", "/console/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if status != 200 or token is None:
            raise SignInFailed(f"{self.url}/console/login/ answers {status} without a form")
        fields = {"csrfmiddlewaretoken": token[1], "login": username, "password": password}
        status, page = self._call("POST", "/console/login/", fields)
        if self.cookie("sessionid") == "":
            raise SignInFailed(f"{username} cannot sign in at {self.url} (status {status})")

    def cookie(self, name: str) -> str:
        return next((cookie.value or "" for cookie in self._cookies if cookie.name == name), "")

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the browser sends when it opens a socket."""
        return {"Cookie": f"sessionid={self.cookie('sessionid')}"}

    async def get(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self._call, "GET", path)

    async def post(
        self, path: str, fields: dict[str, str] | None = None, *, document: Any = None
    ) -> tuple[int, str]:
        """POST a form, or a JSON document as a script does; the status is 0 when the server could not be
        reached."""
        return await asyncio.to_thread(self._call, "POST", path, fields, document)

    def _call(
        self, method: str, path: str, fields: dict[str, str] | None = None, document: Any = None
    ) -> tuple[int, str]:
        headers = {"Referer": self.url + path, "Origin": self.url, "X-CSRFToken": self.cookie("csrftoken")}
        data: bytes | None = None
        if document is not None:
            data = json.dumps(document).encode()
            headers["Content-Type"] = "application/json"
        elif method == "POST":
            data = urllib.parse.urlencode(fields or {}).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace")
        except OSError:
            return 0, ""
