"""Typed readers of environment variables. An invalid value raises ImproperlyConfigured with the variable's name.

A value may also come from the file named by `<NAME>_FILE` (container secrets).
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """Return the variable's value, or the content of the file named by `<name>_FILE`; `default` when neither is set."""
    value = os.environ.get(name)
    file = os.environ.get(f"{name}_FILE")
    if value is not None and file is not None:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: set one of them")
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {file}: {error.strerror}") from error
    if value is not None:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set and has no default")
    return default


def is_set(name: str) -> bool:
    """Return whether the variable or `<name>_FILE` is set, even to an empty value."""
    return name in os.environ or f"{name}_FILE" in os.environ


def flag(name: str, default: bool) -> bool:
    """Return a boolean: `1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`, in upper or lower case."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: use 1 or 0")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    """Return a whole number of at least `minimum`."""
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}: use a whole number") from error
    if number < minimum:
        raise ImproperlyConfigured(f"{name} is {number}: the minimum is {minimum}")
    return number


def comma_list(name: str, default: str = "") -> list[str]:
    """Return the items of a comma-separated list, without spaces around them and without empty items."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Return the networks of a comma-separated list of addresses and networks: `10.1.0.0/16,127.0.0.1`."""
    parsed = []
    for item in comma_list(name, default):
        try:
            parsed.append(ip_network(item))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {item!r} is neither an address nor a network") from error
    return parsed
