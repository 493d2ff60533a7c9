"""System checks that refuse an unsafe set-up."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured


def refuse_unsafe() -> None:
    """Raises ImproperlyConfigured for what `manage.py` would refuse: servers do not run the system checks."""
    found = [message for check in (own_origins, doorbell) for message in check() if message.is_serious()]
    if found:
        raise ImproperlyConfigured("\n".join(str(message) for message in found))


@register()
def own_origins(**_: Any) -> list[CheckMessage]:
    if settings.BEHIND_TLS and not settings.OWN_ORIGINS:
        return [
            Error(
                "LIANXIN_OWN_ORIGINS is empty",
                hint="Name this service's full origins, e.g. https://chat.bank.example, so that others are refused.",
                id="lianxin.E001",
            )
        ]
    return []


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
