"""A bound on what a request may send, before anything of it is kept."""

from collections.abc import Awaitable, Callable
from typing import Any

Application = Callable[..., Awaitable[Any]]

MEGABYTE = 1024 * 1024
# The largest file that a site may allow (`Site.attachment_megabytes`), and what a form adds to it.
UPLOAD_BYTES = 51 * MEGABYTE
OTHER_BYTES = 2 * MEGABYTE
# Where files are sent: in chats and to knowledge points, and as tables to admin.
WITH_FILES = ("/attachments", "/import/")


class BoundedBodies:
    """Refuses a body that says it is too long, and stops reading one that is.

    Django reads a whole body to the disk before a view is asked. A site's own limit is smaller, and its words are
    kinder: `chat.attachment_views`. Behind nginx, `client_max_body_size 51m` does the same one step earlier.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        most = UPLOAD_BYTES if scope["path"].endswith(WITH_FILES) else OTHER_BYTES
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not length.isdigit() or int(length) > most:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b""})
            return None
        left = most

        async def bounded() -> Any:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        return await self._application(scope, bounded, send)
