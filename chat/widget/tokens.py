"""The visitor's token: signed, short-lived, renewed with every welcome. Sent in the first frame, never in a URL."""

from typing import NamedTuple
from uuid import UUID

from django.core import signing
from django.utils.crypto import salted_hmac

SALT = "lianxin.visitor"
MAX_AGE_SECONDS = 7 * 24 * 3600


class VisitorToken(NamedTuple):
    """What a token says. It is void once the visitor's `token_generation` is another one."""

    visitor: UUID
    site_key: str
    generation: int


def token_for(visitor: UUID, site_key: str, generation: int = 0) -> str:
    return signing.dumps([str(visitor), site_key, generation], salt=SALT)


def read_token(token: str | None) -> VisitorToken | None:
    """What a token says, or None when it is forged or too old. Whether it is void, the visitor's row tells."""
    if not token:
        return None
    try:
        visitor, site_key, generation = signing.loads(token, salt=SALT, max_age=MAX_AGE_SECONDS)
        return VisitorToken(UUID(visitor), str(site_key), int(generation))
    except (signing.BadSignature, ValueError, TypeError):
        return None


def token_of_site(token: str | None, site_key: str) -> VisitorToken | None:
    """What a token says, or None when it is forged, too old or for another site."""
    read = read_token(token)
    return read if read is not None and read.site_key == site_key else None


def nonce_for(visitor: UUID, site_key: str, generation: int) -> str:
    """The value that an identity token has to carry to be good for this visitor's browser, until the next sign-in.

    Only the holder of the visitor's token is told it, so an identity token that leaked is worth nothing elsewhere.
    """
    return salted_hmac("lianxin.nonce", f"{site_key}:{visitor}:{generation}").hexdigest()[:32]
