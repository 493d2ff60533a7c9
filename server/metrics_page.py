"""The page for Prometheus: what was counted, and how things stand at the moment it is asked."""

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
    """How things stand: read when it is asked for, and not counted along the way."""

    def __init__(self) -> None:
        # Of the database: the same on every process. Empty when it does not answer.
        self.stored: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        consoles = len(hub.staff)
        connected = GaugeMetricFamily("lianxin_connected", "Open sockets of this process.", labels=["kind"])
        connected.add_metric(["console"], consoles)
        connected.add_metric(["visitor"], max(0, len(hub.sockets) - consoles))
        yield connected
        yield GaugeMetricFamily("lianxin_writer_queued", "Messages that wait for the writer.", writer.queued)
        yield GaugeMetricFamily("lianxin_draining", "1 while this process is ending.", hub.is_draining)
        yield GaugeMetricFamily(
            "lianxin_database_up", "Whether the database answered just now.", bool(self.stored)
        )
        yield from self.stored


live_metrics = LiveCollector()
registry.register(live_metrics)
ProcessCollector(registry=registry)
GCCollector(registry=registry)
with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
    VERSION: str = tomllib.load(file)["project"]["version"]
Info("lianxin_build", "What runs here.", registry=registry).info(
    {"version": VERSION, "python": platform.python_version(), "django": django.__version__}
)


def stored() -> list[Metric]:
    """What the database knows of the moment. Four queries over indexes of what is open."""
    waiting = GaugeMetricFamily("lianxin_waiting", "Visitors who wait, by department.", labels=["department"])
    longest = GaugeMetricFamily(
        "lianxin_longest_wait_seconds", "How long the first of them has waited.", labels=["department"]
    )
    line = {
        department: (count, since)
        for department, count, since in Conversation.objects.filter(status=Status.WAITING)
        .order_by()
        .values_list("department__code")
        .annotate(Count("pk"), Min("waiting_since"))
    }
    at = timezone.now()
    for code in Department.objects.filter(is_active=True).values_list("code", flat=True):
        count, since = line.get(code, (0, None))
        waiting.add_metric([code], count)
        longest.add_metric([code], (at - since).total_seconds() if since else 0)
    active = Conversation.objects.filter(status=Status.ACTIVE).order_by().count()
    return [
        waiting,
        longest,
        GaugeMetricFamily("lianxin_active", "Conversations that an agent has.", active),
        GaugeMetricFamily("lianxin_agents_online", "Agents who are online.", len(presence.online_ids())),
    ]


def page(found: list[Metric] | None) -> str:
    """The page, with what `stored` found, or without."""
    live_metrics.stored = found or []
    return generate_latest(registry).decode()


def is_allowed(scope: dict[str, Any]) -> bool:
    """Whether whoever asks knows the token, or comes straight from an address that may.

    What came through a proxy has the proxy's address: that says nothing.
    """
    headers = dict(scope["headers"])
    told = headers.get(b"authorization", b"")
    if settings.METRICS_TOKEN and compare_digest(told, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return True
    if not scope.get("client") or headers.keys() & {b"x-forwarded-for", b"forwarded", b"x-real-ip"}:
        return False
    address = ip_address(scope["client"][0])
    return any(address in network for network in settings.METRICS_ALLOW)
