"""Tests of our use of internals of Daphne, Twisted, Autobahn and uvicorn: a change in a library is noticed when the
server starts, at the latest."""

from __future__ import annotations

from importlib import metadata

# Importing this module installs Twisted's reactor.
import daphne.server  # noqa: F401
import pytest
from daphne import http_protocol
from django.core.exceptions import ImproperlyConfigured

from server.daphne import patches
from server.library_internals import Internal, check_internals
from server.uvicorn import transport as uvicorn_transport

VERSIONS = patches.VERSIONS | uvicorn_transport.VERSIONS
INTERNALS = patches.INTERNALS + uvicorn_transport.INTERNALS


@pytest.mark.parametrize("name", VERSIONS)
def test_installed_library_has_the_version_that_was_measured(name: str) -> None:
    assert metadata.version(name) == VERSIONS[name], (
        "read what changed in the functions that server/daphne and server/uvicorn use, measure the patches again "
        "(docs/performance.md, section Patches), then change VERSIONS"
    )


@pytest.mark.parametrize(
    "internal", INTERNALS, ids=lambda internal: f"{internal.owner.__name__}.{internal.name}"
)
def test_start_fails_when_a_library_has_changed(internal: Internal, monkeypatch: pytest.MonkeyPatch) -> None:
    check_internals(INTERNALS)
    monkeypatch.setattr(internal.owner, internal.name, None)
    with pytest.raises(
        ImproperlyConfigured, match=rf"{internal.owner.__name__}\.{internal.name} is not what"
    ):
        check_internals(INTERNALS)


def test_start_fails_when_a_function_no_longer_uses_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol.HTTPFactory, "buildProtocol", lambda factory, address: None)
    with pytest.raises(ImproperlyConfigured, match="expected: WebRequest, requestFactory"):
        patches.apply_patches()
