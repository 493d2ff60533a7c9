"""The metrics page for Prometheus: counters, and gauges read at the time of the request."""

import platform
import tomllib
from collections.abc import Iterable
from hmac import compare_digest
from ipaddress import ip_address
from typing import Any

import django
from django.conf import settings
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import GCCollector, Info, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts import presence
from accounts.models import Department
from chat.models import Conversation, Status
from chat.realtime.delivery import hub
from chat.realtime.metrics import registry
from chat.realtime.writer import writer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class LiveCollector(Collector):
    """The gauges of this process and of the database, read at each request of the page."""

    def __init__(self) -> None:
        # Gauges read from the database; every process reports the same values. The list is empty when the database does
        # not answer.
        self.stored: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        consoles = len(hub.staff)
        connected = GaugeMetricFamily("lianxin_connected", "Open sockets of this process.", labels=["kind"])
        connected.add_metric(["console"], consoles)
        connected.add_metric(["visitor"], max(0, len(hub.sockets) - consoles))
        yield connected
        yield GaugeMetricFamily("lianxin_writer_queued", "Messages waiting for the writer.", writer.queued)
        yield GaugeMetricFamily("lianxin_draining", "1 while this process is draining.", hub.is_draining)
        yield GaugeMetricFamily(
            "lianxin_database_up", "1 if the database answered this request.", bool(self.stored)
        )
        yield from self.stored


live_metrics = LiveCollector()
registry.register(live_metrics)
ProcessCollector(registry=registry)
GCCollector(registry=registry)
with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
    VERSION: str = tomllib.load(file)["project"]["version"]
Info("lianxin_build", "Versions of Lianxin, Python and Django.", registry=registry).info(
    {"version": VERSION, "python": platform.python_version(), "django": django.__version__}
)


def stored() -> list[Metric]:
    """Read the gauges from the database. Four queries; those of conversations use indexes of open conversations
    only."""
    waiting = GaugeMetricFamily("lianxin_waiting", "Visitors in the queue.", labels=["department"])
    longest = GaugeMetricFamily(
        "lianxin_longest_wait_seconds",
        "Waiting time of the first visitor in the queue.",
        labels=["department"],
    )
    queues = {
        department: (count, since)
        for department, count, since in Conversation.objects.filter(status=Status.WAITING)
        .order_by()
        .values_list("department__code")
        .annotate(Count("pk"), Min("waiting_since"))
    }
    at = timezone.now()
    for code in Department.objects.filter(is_active=True).values_list("code", flat=True):
        count, since = queues.get(code, (0, None))
        waiting.add_metric([code], count)
        longest.add_metric([code], (at - since).total_seconds() if since else 0)
    others = Conversation.objects.filter(status__in=(Status.ACTIVE, Status.ABANDONED)).order_by()
    counts = dict(others.values_list("status").annotate(Count("pk")))
    return [
        waiting,
        longest,
        GaugeMetricFamily(
            "lianxin_active", "Conversations assigned to an agent.", counts.get(Status.ACTIVE, 0)
        ),
        GaugeMetricFamily(
            "lianxin_abandoned",
            "Visitors who have left the queue and may still return to their place.",
            counts.get(Status.ABANDONED, 0),
        ),
        GaugeMetricFamily("lianxin_agents_online", "Agents who are online.", len(presence.online_ids())),
    ]


def page(stored_metrics: list[Metric] | None) -> str:
    """Return the text of the page with the gauges that `stored` returned, or without them."""
    live_metrics.stored = stored_metrics or []
    return generate_latest(registry).decode()


def is_allowed(scope: dict[str, Any]) -> bool:
    """Return whether the request has the token, or comes directly from a network in LIANXIN_METRICS_ALLOW.

    A request through a proxy has the proxy's address, which says nothing about the client.
    """
    headers = dict(scope["headers"])
    authorization = headers.get(b"authorization", b"")
    if settings.METRICS_TOKEN and compare_digest(authorization, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return True
    if not scope.get("client") or headers.keys() & {b"x-forwarded-for", b"forwarded", b"x-real-ip"}:
        return False
    address = ip_address(scope["client"][0])
    return any(address in network for network in settings.METRICS_ALLOW)
