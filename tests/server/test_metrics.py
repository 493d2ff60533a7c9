"""The figures for Prometheus: they count what happened, and they are not for everybody.

Guards invariant 10: no figure names a person.
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

from chat.realtime import metrics as counted
from config import env
from server import metrics_page
from tests.conftest import bank_environment
from tests.harness.servers import AppServer
from tests.harness.servers.process import ROOT
from tests.harness.sockets import Box, Console
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


def asked(server: AppServer, **headers: str) -> str:
    request = urllib.request.Request(f"{server.url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return str(answer.read().decode())


def status(server: AppServer, **headers: str) -> int:
    try:
        asked(server, **headers)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def figures(text: str) -> dict[str, float]:
    """Every sample: its name, and its labels in braces, to its value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_the_figures_count_what_happens(servers: dict[str, AppServer], name: str) -> None:
    cast = create_cast()
    server = servers[name]
    before = figures(asked(server))
    with Box(server) as box, Box(server) as other, Console(server, session_of(cast.mei)) as mei:
        mei.open()
        other.open()
        box.open()
        box.begin(subject="cards")
        client_id = str(uuid4())
        box.post("在吗", client_id)
        box.post("有人吗")
        box.say("post", client_id=client_id, body="别的话")
        assert box.hear("refused")["code"] == "client_id_reused"
        with Box(server) as again:
            again.open(like=box, after=2)
        for _ in range(130):
            other.say("ping")
        assert other.hear_close() == 4400
        # Its own second is short for a database on a busy machine.
        server.wait_until(
            lambda: figures(asked(server))["lianxin_database_up"] == 1, "the database did not answer"
        )
        text = asked(server)
        after = figures(text)

        def grown(figure: str) -> float:
            return after[figure] - before.get(figure, 0)

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
        # Names and labels: among the figures themselves an agent's number may stand by chance.
        told = re.sub(r" \S+$", "", text, flags=re.MULTILINE)
        for secret in ("在吗", box.conversation, box.token, "mei", "林梅", "1001"):
            assert str(secret) not in told
        server.wait_until(
            lambda: figures(asked(server))["lianxin_loop_lag_seconds_count"] > 0, "its loop is not watched"
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_the_figures_are_not_for_everybody(servers: dict[str, AppServer], name: str) -> None:
    server = servers[name]
    assert status(server) == 200
    # What comes through the proxy on this machine comes from its address, whoever asks.
    assert status(server, **{"X-Forwarded-For": "127.0.0.1"}) == 404
    assert status(server, **{"X-Forwarded-For": "203.0.113.9"}) == 404
    assert status(server, **{"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {TOKEN}"}) == 200
    assert status(server, **{"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer "}) == 404


def scope(client: str, **headers: str) -> dict[str, Any]:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"client": (client, 40000), "headers": pairs}


def test_who_may_read_them_can_be_set() -> None:
    assert metrics_page.is_allowed(scope("127.0.0.1"))
    assert metrics_page.is_allowed(scope("::1"))
    assert not metrics_page.is_allowed(scope("10.1.2.3"))
    # Without a token nobody knows it.
    assert not metrics_page.is_allowed(scope("10.1.2.3", Authorization="Bearer "))
    assert not metrics_page.is_allowed({"client": None, "headers": []})
    with override_settings(METRICS_ALLOW=env.networks("nothing", "10.1.0.0/16, 2001:db8::/32")):
        assert metrics_page.is_allowed(scope("10.1.2.3"))
        assert metrics_page.is_allowed(scope("2001:db8::9"))
        assert not metrics_page.is_allowed(scope("10.2.2.3"))
        assert not metrics_page.is_allowed(scope("127.0.0.1"))


def test_a_network_that_is_none_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANXIN_METRICS_ALLOW", "10.1.0.0/16,the monitor")
    with pytest.raises(ImproperlyConfigured, match=r"LIANXIN_METRICS_ALLOW.*the monitor"):
        env.networks("LIANXIN_METRICS_ALLOW")


@pytest.mark.both_databases
def test_what_the_database_knows_takes_four_queries(cast: Cast, django_assert_num_queries: Any) -> None:
    start(cast, department="loans")
    with django_assert_num_queries(4):
        found = {family.name: family for family in metrics_page.stored()}
    assert {sample.labels["department"]: sample.value for sample in found["lianxin_waiting"].samples} == {
        "cards": 0,
        "loans": 1,
    }


def test_without_a_database_the_page_still_comes() -> None:
    assert figures(metrics_page.page(None))["lianxin_database_up"] == 0


def test_the_guide_tells_of_every_figure() -> None:
    """docs/operate.md, and it tells of no other."""
    ours = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in counted.registry.collect()
        if family.name.startswith("lianxin")
    } | {"lianxin_waiting", "lianxin_longest_wait_seconds", "lianxin_active", "lianxin_agents_online"}
    told = set(re.findall(r"`(lianxin_\w+)", (ROOT / "docs/operate.md").read_text()))
    assert {name.removesuffix("_info") for name in told} == ours
