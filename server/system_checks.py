"""System checks that refuse an unsafe configuration."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

# Minimum number of distinct characters in a secret key; a random key of 32 characters has about 25.
MIN_KEY_CHARACTERS = 10


def refuse_unsafe() -> None:
    """Run these checks in a server process, because Django runs them only in management commands.

    Raises ImproperlyConfigured if a check finds an error; warnings are ignored.
    """
    checks = (own_origins, hosts, production, notifications)
    errors = [message for check in checks for message in check() if message.is_serious()]
    if errors:
        raise ImproperlyConfigured("\n".join(str(message) for message in errors))


@register()
def own_origins(**_: Any) -> list[CheckMessage]:
    """Check that each own origin is in the form that a browser sends, uses https behind TLS and has an allowed host."""
    if settings.BEHIND_TLS and not settings.OWN_ORIGINS:
        return [
            Error(
                "LIANXIN_OWN_ORIGINS is empty",
                hint="List the full origins of this service, e.g. https://chat.bank.example; all others are refused.",
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
        return "is not an origin"
    if (
        scheme not in {"http", "https"}
        or parts.netloc != rest
        or parts.username is not None
        or not parts.hostname
    ):
        return "is not an origin"
    if "*" in rest or not re.fullmatch(r"[a-z0-9.\-:\[\]]+", rest):
        return "is not an origin that a browser sends"
    if has_port and parts.port == {"http": 80, "https": 443}[scheme]:
        return "has a default port, which a browser leaves out"
    if settings.BEHIND_TLS and scheme != "https":
        return "is not https, but LIANXIN_BEHIND_TLS is set"
    if not validate_host(split_domain_port(rest)[0], settings.ALLOWED_HOSTS):
        return "has a host that is not in LIANXIN_ALLOWED_HOSTS"
    return ""


@register()
def hosts(**_: Any) -> list[CheckMessage]:
    """Check that each allowed host is a single name; Django accepts `*` for any host and `.example` for subdomains."""
    faults = {
        host: "it allows hosts that are not listed"
        if "*" in host or host.startswith(".")
        else "a host is a name or an address without scheme, port and path"
        for host in settings.ALLOWED_HOSTS
        if "*" in host or host.startswith(".") or re.search(r"[/@\s]|(?<![:\[]):\d+$", host)
    }
    if not settings.ALLOWED_HOSTS:
        faults[""] = "no host is listed"
    return [
        Error(
            f"LIANXIN_ALLOWED_HOSTS: {host!r}: {fault}",
            hint="List each host of this service, e.g. chat.bank.example.",
            id="lianxin.E004",
        )
        for host, fault in faults.items()
    ]


@register()
def production(**_: Any) -> list[CheckMessage]:
    """Check that settings for trials are off in production, that is, behind TLS or with Redis."""
    if not (settings.BEHIND_TLS or settings.REDIS_URL):
        return []
    errors: list[CheckMessage] = []
    if settings.DEBUG:
        errors.append(
            Error("LIANXIN_DEBUG is set", hint="Its error pages show settings and code.", id="lianxin.E005")
        )
    if settings.SAMPLE_BANK:
        errors.append(
            Error(
                "LIANXIN_SAMPLE_BANK is set",
                hint="The page of the fictional bank is for trials only.",
                id="lianxin.E006",
            )
        )
    if len(set(settings.SECRET_KEY)) < MIN_KEY_CHARACTERS or "insecure" in settings.SECRET_KEY:
        errors.append(
            Error(
                "LIANXIN_SECRET_KEY can be guessed",
                hint="Generate one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
                id="lianxin.E007",
            )
        )
    return errors


@register()
def proxies(**_: Any) -> list[CheckMessage]:
    """Check that the number of proxies is set if TLS ends at a proxy."""
    if settings.BEHIND_TLS and not settings.PROXY_COUNT:
        return [
            Warning(
                "LIANXIN_PROXY_COUNT is 0, but a proxy terminates TLS: all clients seem to have its address",
                hint="Set the number of proxies in front, or wrong passwords of one client can lock out all staff.",
                id="lianxin.W002",
            )
        ]
    return []


@register()
def notifications(**_: Any) -> list[CheckMessage]:
    """Refuse Redis with SQLite, and warn about PostgreSQL without Redis."""
    on_postgresql = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    if settings.REDIS_URL and not on_postgresql:
        return [
            Error(
                "LIANXIN_REDIS_URL is set, but the database is SQLite",
                hint="Redis is for several processes, which need PostgreSQL: set LIANXIN_DATABASE_URL.",
                id="lianxin.E002",
            )
        ]
    if on_postgresql and not settings.REDIS_URL:
        return [
            Warning(
                "LIANXIN_REDIS_URL is not set: a message reaches other processes only with the next sweep",
                hint="This is right for a single process. Set it when you run several.",
                id="lianxin.W001",
            )
        ]
    return []
