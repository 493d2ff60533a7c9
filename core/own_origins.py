"""The origins of this service, as browsers name them in the Origin header."""

from django.conf import settings
from django.http.request import split_domain_port, validate_host


def is_own_origin(origin: str, host: str) -> bool:
    """Return whether one of our own pages sent a request with these Origin and Host headers.

    The origin must be one of LIANXIN_OWN_ORIGINS. If that list is empty, the origin must be `http://` followed by the
    host, and the host must be allowed.
    """
    if settings.OWN_ORIGINS:
        return origin.lower() in settings.OWN_ORIGINS
    is_allowed = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    return is_allowed and origin.lower() == f"http://{host}".lower()
