"""The visitor's token: signed, short-lived, renewed with every welcome. Sent in the first frame, never in a URL."""

from uuid import UUID

from django.core import signing

SALT = "lianxin.visitor"
MAX_AGE_SECONDS = 7 * 24 * 3600


def token_for(visitor: UUID, site_key: str) -> str:
    return signing.dumps([str(visitor), site_key], salt=SALT)


def named_in(token: str | None) -> tuple[UUID, str] | None:
    """The visitor and the site key that a token names, or None when it is forged or too old."""
    if not token:
        return None
    try:
        visitor, site_key = signing.loads(token, salt=SALT, max_age=MAX_AGE_SECONDS)
        return UUID(visitor), str(site_key)
    except (signing.BadSignature, ValueError, TypeError):
        return None


def visitor_of(token: str | None, site_key: str) -> UUID | None:
    """The visitor whom a token names on this site, or None when it is forged, too old or for another site."""
    named = named_in(token)
    return named[0] if named is not None and named[1] == site_key else None
