"""The ASGI application of a server process. It routes HTTP requests to Django and WebSockets to the consumers."""

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
from django.urls import path, re_path  # noqa: E402

from chat.realtime.delivery import hub  # noqa: E402
from chat.realtime.socket_counts import CountedSockets  # noqa: E402
from chat.realtime.transport import WebSocketTransport  # noqa: E402
from chat.widget.consumers import VisitorConsumer  # noqa: E402
from console.inbox.consumers import ConsoleConsumer  # noqa: E402
from core.own_origins import is_own_origin  # noqa: E402
from core.periodic import runner as periodic_runner  # noqa: E402
from knowledge.published_index import warm  # noqa: E402
from routing.router import router  # noqa: E402
from server import gc_tuning, process_lock  # noqa: E402
from server.body_limits import BodySizeLimit  # noqa: E402
from server.concurrency_limit import ConcurrencyLimit  # noqa: E402
from server.drain import drain  # noqa: E402
from server.library_internals import check_internals  # noqa: E402
from server.probes import Probes  # noqa: E402
from server.request_scope import ScopeSanitizer  # noqa: E402
from server.system_checks import refuse_unsafe  # noqa: E402
from server.threaded_handler import ThreadedASGIHandler  # noqa: E402

refuse_unsafe()
if connection.vendor == "sqlite":
    # With SQLite there is no Redis, so a process can send messages only to its own sockets. Allow only one process.
    process_lock.acquire(settings.STATE_DIR)

Application = Callable[..., Awaitable[Any]]
# The function that creates the transport of a socket: each server has its own class.
transport_of: Callable[[Any], WebSocketTransport]
# Tests run under neither Daphne nor uvicorn. They use the transport of Daphne.
if "uvicorn.server" in sys.modules:
    from server.uvicorn import transport as uvicorn_transport

    check_internals(uvicorn_transport.INTERNALS)
    transport_of = uvicorn_transport.transport_of
else:
    from server.daphne import patches
    from server.daphne import transport as daphne_transport

    patches.apply_patches()
    transport_of = daphne_transport.transport_of


class SameOriginSockets:
    """ASGI middleware that refuses WebSockets opened by pages of other origins (cross-site WebSocket hijacking).

    The widget runs in an iframe from our own origin, so its WebSocket has our origin too.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        hosts, origins = _all_of(scope, b"host"), _all_of(scope, b"origin")
        # Refuse a repeated Host or Origin header: a proxy and this server might each use a different one of its values.
        if len(hosts) == len(origins) == 1 and is_own_origin(origins[0], hosts[0]):
            scope["transport"] = transport_of(send)
            try:
                return await self._application(scope, receive, send)
            finally:
                # Break a reference cycle (server/gc_tuning.py): the transport references uvicorn's protocol object,
                # which references the scope.
                del scope["transport"]
        return await refuse(scope, receive, send)


def _all_of(scope: dict[str, Any], header: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


async def refuse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Close a WebSocket before it is accepted. The server then answers the handshake with 403."""
    await receive()
    await send({"type": "websocket.close"})


class StartupHook:
    """ASGI middleware that starts the background work of a process at its first request or WebSocket.

    It starts the hub, which delivers events to sockets; the periodic jobs; the router, which assigns conversations;
    and the drain, which ends the process gracefully. The hub is needed even before a socket is open, because an action
    may announce an event. A thread loads the index of knowledge points, so that the first search need not wait. The
    middleware also counts the open HTTP requests for the drain.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._is_index_loading = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        hub.start()
        periodic_runner.start()
        router.start()
        drain.watch()
        if not self._is_index_loading:
            self._is_index_loading = True
            Thread(target=warm, name="published-index", daemon=True).start()
        if scope["type"] != "http":
            return await self._application(scope, receive, send)
        with drain.counted_request():
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
if "uvicorn.server" in sys.modules:
    gc_tuning.freeze_and_collect_more_often()
else:
    gc_tuning.freeze_and_collect_rarely()
