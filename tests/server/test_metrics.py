"""Tests of the metrics for Prometheus: they count correctly, and only permitted clients can read them.

They guard invariant 10 of tests/test_invariants.py: no metric contains a person's name or number.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families

from chat.realtime import metrics
from config import env
from server import metrics_page
from tests.conftest import bank_environment
from tests.harness.servers import AppServer
from tests.harness.servers.process import ROOT
from tests.harness.sockets import Console, Widget
from tests.people import Cast, create_cast, session_of, start

TOKEN = "a token that only the monitor knows"


@pytest.fixture(scope="module")
def servers(django_db_setup: None) -> Iterator[dict[str, AppServer]]:
    url = urlsplit(os.environ["LIANXIN_DATABASE_URL"])
    database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    env = bank_environment(database, os.environ["LIANXIN_REDIS_URL"]) | {"LIANXIN_METRICS_TOKEN": TOKEN}
    with (
        AppServer(env, prepare=False) as daphne,
        AppServer(env, prepare=False, server="uvicorn") as uvicorn,
    ):
        yield {"daphne": daphne, "uvicorn": uvicorn}


def metrics_of(server: AppServer, **headers: str) -> str:
    request = urllib.request.Request(f"{server.url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


def status(server: AppServer, **headers: str) -> int:
    try:
        metrics_of(server, **headers)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def samples(text: str) -> dict[str, float]:
    """Return a dict of all samples in a metrics page.

    The key is the name, followed by the label values in braces, if any.
    """
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_metrics_count_what_happens(servers: dict[str, AppServer], name: str) -> None:
    cast = create_cast()
    server = servers[name]
    before = samples(metrics_of(server))
    with Widget(server) as widget, Widget(server) as other, Console(server, session_of(cast.mei)) as mei:
        mei.open()
        other.open()
        widget.open()
        widget.begin(subject="cards")
        client_id = str(uuid4())
        widget.post("在吗", client_id)
        widget.post("有人吗")
        widget.send("post", client_id=client_id, body="别的话")
        assert widget.wait_for("refused")["code"] == "client_id_reused"
        with Widget(server) as again:
            again.open(like=widget, after=2)
        for _ in range(130):
            other.send("ping")
        assert other.wait_for_close() == 4400
        # Wait, because on a busy machine the database may need longer than the probe's limit of one second.
        server.wait_until(
            lambda: samples(metrics_of(server))["lianxin_database_up"] == 1, "the database did not answer"
        )
        text = metrics_of(server)
        after = samples(text)

        def grown(name: str) -> float:
            return after[name] - before.get(name, 0)

        assert grown("lianxin_accepted_total") == 2
        assert grown("lianxin_refused_total{client_id_reused}") == 1
        assert grown("lianxin_resumed_total") == 1
        assert grown("lianxin_sockets_ended_total{flood}") == 1
        assert grown("lianxin_batch_messages_sum") == 3
        assert grown("lianxin_batch_seconds_count") >= 2
        assert grown("lianxin_delivery_seconds_count") == 2
        assert 0 < grown("lianxin_delivery_seconds_sum") < 3
        assert after["lianxin_connected{console}"] == 1
        assert after["lianxin_connected{visitor}"] >= 1
        assert after["lianxin_waiting{cards}"] == 1
        assert after["lianxin_waiting{loans}"] == 0
        assert after["lianxin_longest_wait_seconds{cards}"] > 0
        assert (after["lianxin_active"], after["lianxin_agents_online"]) == (0, 0)
        assert (after["lianxin_writer_queued"], after["lianxin_draining"]) == (0, 0)
        assert after["lianxin_database_up"] == 1
        assert after["process_resident_memory_bytes"] > 0
        assert 'lianxin_build_info{django="5.2' in text
        # Check only names and labels, because the value of a metric may be equal to an agent's number by chance.
        without_values = re.sub(r" \S+$", "", text, flags=re.MULTILINE)
        for secret in ("在吗", widget.conversation, widget.token, "mei", "林梅", "1001"):
            assert str(secret) not in without_values
        server.wait_until(
            lambda: samples(metrics_of(server))["lianxin_loop_lag_seconds_count"] > 0,
            "the lag of the event loop is not measured",
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_metrics_need_a_token_or_a_direct_connection(servers: dict[str, AppServer], name: str) -> None:
    server = servers[name]
    assert status(server) == 200
    # A request through a proxy on this machine comes from this machine's address, so the address says nothing about the
    # sender.
    assert status(server, **{"X-Forwarded-For": "127.0.0.1"}) == 404
    assert status(server, **{"X-Forwarded-For": "203.0.113.9"}) == 404
    assert status(server, **{"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {TOKEN}"}) == 200
    assert status(server, **{"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer "}) == 404


def scope(client: str, **headers: str) -> dict[str, Any]:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"client": (client, 40000), "headers": pairs}


def test_allowed_networks_can_be_configured() -> None:
    assert metrics_page.is_allowed(scope("127.0.0.1"))
    assert metrics_page.is_allowed(scope("::1"))
    assert not metrics_page.is_allowed(scope("10.1.2.3"))
    # If no token is configured, an empty token must not match.
    assert not metrics_page.is_allowed(scope("10.1.2.3", Authorization="Bearer "))
    assert not metrics_page.is_allowed({"client": None, "headers": []})
    with override_settings(METRICS_ALLOW=env.networks("nothing", "10.1.0.0/16, 2001:db8::/32")):
        assert metrics_page.is_allowed(scope("10.1.2.3"))
        assert metrics_page.is_allowed(scope("2001:db8::9"))
        assert not metrics_page.is_allowed(scope("10.2.2.3"))
        assert not metrics_page.is_allowed(scope("127.0.0.1"))


def test_invalid_network_is_refused_with_the_variables_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANXIN_METRICS_ALLOW", "10.1.0.0/16,the monitor")
    with pytest.raises(ImproperlyConfigured, match=r"LIANXIN_METRICS_ALLOW.*the monitor"):
        env.networks("LIANXIN_METRICS_ALLOW")


@pytest.mark.both_databases
def test_stored_metrics_need_four_queries(cast: Cast, django_assert_num_queries: Any) -> None:
    start(cast, department="loans")
    with django_assert_num_queries(4):
        families = {family.name: family for family in metrics_page.stored()}
    waiting = families["lianxin_waiting"].samples
    assert {sample.labels["department"]: sample.value for sample in waiting} == {
        "cards": 0,
        "loans": 1,
    }


def test_metrics_page_works_without_a_database() -> None:
    assert samples(metrics_page.page(None))["lianxin_database_up"] == 0


def test_operating_guide_lists_exactly_the_metrics() -> None:
    """Check that docs/operate.md, the operating guide, lists exactly the existing metrics."""
    existing = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in metrics.registry.collect()
        if family.name.startswith("lianxin")
    } | {"lianxin_waiting", "lianxin_longest_wait_seconds", "lianxin_active", "lianxin_abandoned"}
    existing.add("lianxin_agents_online")
    documented = set(re.findall(r"`(lianxin_\w+)", (ROOT / "docs/operate.md").read_text()))
    assert {name.removesuffix("_info") for name in documented} == existing
