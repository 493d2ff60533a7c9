"""The visitor's token: signed, short-lived, renewed with every welcome, sent in a frame or a header and never in a
URL."""

from typing import NamedTuple
from uuid import UUID

from django.core import signing
from django.utils.crypto import salted_hmac

SALT = "lianxin.visitor"
MAX_AGE_SECONDS = 7 * 24 * 3600


class VisitorToken(NamedTuple):
    """The content of a token. The token is void once the visitor has another `token_generation`."""

    visitor: UUID
    site_key: str
    generation: int


def token_for(visitor: UUID, site_key: str, generation: int = 0) -> str:
    return signing.dumps([str(visitor), site_key, generation], salt=SALT)


def read_token(token: str | None) -> VisitorToken | None:
    """Return the content of a token, or None if it is forged or too old. The caller checks its generation."""
    if not token:
        return None
    try:
        visitor, site_key, generation = signing.loads(token, salt=SALT, max_age=MAX_AGE_SECONDS)
        return VisitorToken(UUID(visitor), str(site_key), int(generation))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def token_of_site(token: str | None, site_key: str) -> VisitorToken | None:
    """Return the content of a token, or None if it is forged, too old or for another site."""
    read = read_token(token)
    return read if read is not None and read.site_key == site_key else None


def nonce_for(visitor: UUID, site_key: str, generation: int) -> str:
    """Return the nonce that an identity token must contain to be valid in this visitor's browser.

    It changes with the next sign-in or logout. Only the holder of the visitor's token receives it, so a leaked identity
    token is useless in another browser.
    """
    return salted_hmac("lianxin.nonce", f"{site_key}:{visitor}:{generation}").hexdigest()[:32]
