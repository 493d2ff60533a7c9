"""The door of a server process: HTTP to Django, sockets to the box's and the console's consumer."""

import os
import sys
from collections.abc import Awaitable, Callable
from threading import Thread
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.http.request import split_domain_port, validate_host  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from chat.realtime.delivery import hub  # noqa: E402
from chat.realtime.socket_counts import CountedSockets  # noqa: E402
from chat.realtime.transport import WebSocketTransport  # noqa: E402
from chat.widget.consumers import VisitorConsumer  # noqa: E402
from console.inbox.consumers import ConsoleConsumer  # noqa: E402
from core.periodic import runner as periodic_runner  # noqa: E402
from knowledge.published_index import warm  # noqa: E402
from server import daphne_patches, gc_tuning, process_lock  # noqa: E402
from server.body_limits import BodySizeLimit  # noqa: E402
from server.concurrency_limit import ConcurrencyLimit  # noqa: E402
from server.drain import drain  # noqa: E402
from server.probes import Probes  # noqa: E402
from server.request_scope import ScopeSanitizer  # noqa: E402
from server.system_checks import refuse_unsafe  # noqa: E402
from server.threaded_handler import ThreadedASGIHandler  # noqa: E402

refuse_unsafe()
if connection.vendor == "sqlite":
    # Without Redis the hub tells only the sockets of its own process.
    process_lock.acquire(settings.STATE_DIR)

Application = Callable[..., Awaitable[Any]]


class SameOriginSockets:
    """Refuses sockets opened by pages of other origins (cross-site WebSocket hijacking).

    The box runs in a frame of our own origin, so its socket too comes from us. Without LIANXIN_OWN_ORIGINS the
    origin has to name the very host and port that was asked.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        hosts, origins = _all_of(scope, b"host"), _all_of(scope, b"origin")
        # Of two headers each reader may believe another one: neither is believed.
        if len(hosts) == len(origins) == 1 and self._is_own(origins[0], hosts[0]):
            scope["transport"] = WebSocketTransport(send)
            try:
                return await self._application(scope, receive, send)
            finally:
                # uvicorn's protocol holds the scope, and the line the protocol: a circle (server/gc_tuning.py).
                del scope["transport"]
        return await refuse(scope, receive, send)

    def _is_own(self, origin: str, host: str) -> bool:
        if settings.OWN_ORIGINS:
            return origin in settings.OWN_ORIGINS
        return origin == f"http://{host}" and validate_host(
            split_domain_port(host)[0], settings.ALLOWED_HOSTS
        )


def _all_of(scope: dict[str, Any], wanted: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for name, value in scope["headers"] if name == wanted]


async def refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Closes a socket before it was accepted: the server answers 403."""
    await receive()
    await send({"type": "websocket.close"})


class StartupHook:
    """Starts the hub on the loop of the first request of any kind: an action may be announced before any socket.

    Has the knowledge points read, so that who asks first need not wait; and knows how many requests are being answered,
    for the drain.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._has_read = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        hub.start()
        periodic_runner.start()
        drain.watch()
        if not self._has_read:
            self._has_read = True
            Thread(target=warm, name="library", daemon=True).start()
        if scope["type"] != "http":
            return await self._application(scope, receive, send)
        with drain.in_hand():
            return await self._application(scope, receive, send)


sockets = URLRouter(
    [
        path("ws/chat/", CountedSockets(VisitorConsumer.as_asgi(), refuse)),
        path("ws/console/", AuthMiddlewareStack(ConsoleConsumer.as_asgi())),
        re_path("", refuse),  # type: ignore[arg-type]
    ]
)
django_application = ThreadedASGIHandler()
application = StartupHook(
    ScopeSanitizer(
        ProtocolTypeRouter(
            {
                "http": Probes(BodySizeLimit(ConcurrencyLimit(django_application, settings.DATABASE_POOL))),
                "websocket": SameOriginSockets(sockets),
            }
        )
    )
)
if "daphne.server" in sys.modules:
    daphne_patches.apply_patches()
    gc_tuning.freeze_and_collect_rarely()
elif "uvicorn.server" in sys.modules:
    gc_tuning.freeze_and_collect_more_often()
