"""Functions that read typed values from environment variables.

An invalid value raises ImproperlyConfigured with the variable's name. For values read with `text`, NAME_FILE may give
the path of a file with the value instead of NAME (container secrets).
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """Return the value of the variable, or the content of the file whose path is in `<name>_FILE`.

    If neither variable is set, the result is `default`. Raises ImproperlyConfigured if there is no default, if both
    variables are set, or if the file cannot be read.
    """
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
    """Return whether the variable or `<name>_FILE` is set. An empty value also counts as set."""
    return name in os.environ or f"{name}_FILE" in os.environ


def flag(name: str, default: bool) -> bool:
    """Return the variable as a boolean. Valid values are 1, true, yes, on, 0, false, no and off, in any case."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}: use 1 or 0")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    """Return the variable as a whole number of at least `minimum`."""
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
    """Return the items of a variable that holds a comma-separated list, without surrounding spaces and empty items."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Return the IP networks of a variable that holds a comma-separated list, such as `10.1.0.0/16,127.0.0.1`."""
    parsed = []
    for item in comma_list(name, default):
        try:
            parsed.append(ip_network(item))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {item!r} is neither an address nor a network") from error
    return parsed
