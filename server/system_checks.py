"""System checks that refuse an unsafe set-up."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

# Different characters of a key; a random one of 32 characters has about 25.
LEAST_KEY_CHARACTERS = 10


def refuse_unsafe() -> None:
    """Raises ImproperlyConfigured for what `manage.py` would refuse: servers do not run the system checks."""
    checks = (own_origins, hosts, production, doorbell)
    found = [message for check in checks for message in check() if message.is_serious()]
    if found:
        raise ImproperlyConfigured("\n".join(str(message) for message in found))


@register()
def own_origins(**_: Any) -> list[CheckMessage]:
    """Each own origin is one that a browser sends, over TLS behind TLS, of a host that is served."""
    if settings.BEHIND_TLS and not settings.OWN_ORIGINS:
        return [
            Error(
                "LIANXIN_OWN_ORIGINS is empty",
                hint="Name this service's full origins, e.g. https://chat.bank.example, so that others are refused.",
                id="lianxin.E001",
            )
        ]
    return [
        Error(
            f"LIANXIN_OWN_ORIGINS: {origin!r} {fault}",
            hint="An origin is a scheme and a host, e.g. https://chat.bank.example, without a path.",
            id="lianxin.E003",
        )
        for origin in settings.OWN_ORIGINS
        if (fault := _fault_of(origin))
    ]


def _fault_of(origin: str) -> str:
    scheme, _, rest = origin.partition("://")
    try:
        parts = urlsplit(origin)
        has_port = parts.port is not None
    except ValueError:
        return "is no origin"
    if (
        scheme not in {"http", "https"}
        or parts.netloc != rest
        or parts.username is not None
        or not parts.hostname
    ):
        return "is no origin"
    if "*" in rest or not re.fullmatch(r"[a-z0-9.\-:\[\]]+", rest):
        return "is no origin that a browser sends"
    if has_port and parts.port == {"http": 80, "https": 443}[scheme]:
        return "names a port that a browser leaves out"
    if settings.BEHIND_TLS and scheme != "https":
        return "is not https, but LIANXIN_BEHIND_TLS is set"
    if not validate_host(split_domain_port(rest)[0], settings.ALLOWED_HOSTS):
        return "has a host that LIANXIN_ALLOWED_HOSTS does not name"
    return ""


@register()
def hosts(**_: Any) -> list[CheckMessage]:
    """Each allowed host is one name: Django would take `*` for any, and `.example` for every name below it."""
    faults = {
        host: "it admits hosts that nobody has named"
        if "*" in host or host.startswith(".")
        else "a host is a name or an address, without scheme, port and path"
        for host in settings.ALLOWED_HOSTS
        if "*" in host or host.startswith(".") or re.search(r"[/@\s]|(?<![:\[]):\d+$", host)
    }
    if not settings.ALLOWED_HOSTS:
        faults[""] = "no host is named"
    return [
        Error(
            f"LIANXIN_ALLOWED_HOSTS: {host!r}: {fault}",
            hint="Name each host of this service, e.g. chat.bank.example.",
            id="lianxin.E004",
        )
        for host, fault in faults.items()
    ]


@register()
def production(**_: Any) -> list[CheckMessage]:
    """What is for trying it out does not run where customers come: behind TLS, or with Redis."""
    if not (settings.BEHIND_TLS or settings.REDIS_URL):
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(
            Error("LIANXIN_DEBUG is set", hint="Its pages show settings and code.", id="lianxin.E005")
        )
    if settings.SAMPLE_BANK:
        found.append(
            Error(
                "LIANXIN_SAMPLE_BANK is set",
                hint="The page of an invented bank is for trials.",
                id="lianxin.E006",
            )
        )
    if len(set(settings.SECRET_KEY)) < LEAST_KEY_CHARACTERS or "insecure" in settings.SECRET_KEY:
        found.append(
            Error(
                "LIANXIN_SECRET_KEY can be guessed",
                hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
                id="lianxin.E007",
            )
        )
    return found


@register()
def proxies(**_: Any) -> list[CheckMessage]:
    if settings.BEHIND_TLS and not settings.PROXY_COUNT:
        return [
            Warning(
                "LIANXIN_PROXY_COUNT is 0, but a proxy ends TLS: everybody seems to come from its address",
                hint="Name how many proxies stand in front, or ten wrong passwords keep all staff from signing in.",
                id="lianxin.W002",
            )
        ]
    return []


@register()
def doorbell(**_: Any) -> list[CheckMessage]:
    on_postgresql = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    if settings.REDIS_URL and not on_postgresql:
        return [
            Error(
                "LIANXIN_REDIS_URL is set, but the database is SQLite",
                hint="Redis means several processes, and those need PostgreSQL: set LIANXIN_DATABASE_URL.",
                id="lianxin.E002",
            )
        ]
    if on_postgresql and not settings.REDIS_URL:
        return [
            Warning(
                "No LIANXIN_REDIS_URL: between processes a message waits for the sweep",
                hint="Right for one process; name a Redis when there are several.",
                id="lianxin.W001",
            )
        ]
    return []
