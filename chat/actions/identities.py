"""The identity of a visitor: sign-in by the bank's site, logout, and expiry of the verification."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from chat import access
from chat.actions.closing import end
from chat.actions.events import show_visitor
from chat.errors import IdentityRefused
from chat.models import OPEN, Conversation, IdentityUse, Level, Site, Status, Visitor, verified_since
from chat.protocol import VisitorTokensVoided
from chat.realtime import delivery
from chat.widget import tokens
from core.text.cleaning import clean_line, clean_text

IDENTITY_MAX_SECONDS = 300
# Maximum number of visitors whose identification level `lapse_identities` lowers in one transaction.
LAPSE_BATCH = 500


def identify(
    *, site: Site, visitor_uuid: UUID, identity: str, generation: int = 0, language: str = "zh"
) -> Visitor:
    """Return the verified visitor named by an identity token, and move the open conversation of `visitor_uuid` to them.

    The token is a JWT (RFC 7519) signed with HS256 and the site's secret. Its claims:

    - `sub`: the customer reference.
    - `aud`: the site key.
    - `iat` and `exp`: at most five minutes apart.
    - `jti`: used only once.
    - `name`: optional.
    - `nonce`: the value that the welcome frame contained when the visitor's token had this `generation`.

    Every sign-in voids the earlier tokens of the verified visitor and of the visitor `visitor_uuid`. Raises
    IdentityRefused.
    """
    claims = _checked_claims(site, identity, tokens.nonce_for(visitor_uuid, site.key, generation))
    name, now = clean_line(str(claims.get("name") or ""), 60), timezone.now()
    with transaction.atomic():
        _use_once(site, claims)
        verified, _ = Visitor.objects.get_or_create(
            site=site,
            customer_reference=str(claims["sub"]),
            defaults={"level": Level.VERIFIED, "verified_at": now, "language": language},
        )
        verified, former = _lock_both(verified, visitor_uuid)
        verified.level, verified.verified_at, verified.last_seen_at = Level.VERIFIED, now, now
        verified.name = name or verified.name
        verified.save(update_fields=["level", "verified_at", "last_seen_at", "name"])
        _void_tokens(verified)
        if former is not None:
            _void_tokens(former)
        _move_open_conversation(former, verified)
    return verified


def log_out(*, visitor: Visitor) -> None:
    """Void every token of the visitor.

    The conversation of an identified customer stays open for the next sign-in, and the customer is no longer verified.
    The conversation of any other visitor ends, because only this browser could have found it again.
    """
    with transaction.atomic():
        stored = Visitor.objects.select_for_update(of=("self",)).get(pk=visitor.pk)
        _void_tokens(stored)
        if stored.is_customer:
            _lower_to_claimed([stored.pk])
            return
        open_pks = Conversation.objects.filter(visitor=stored, status__in=OPEN).values_list("pk", flat=True)
        for pk in open_pks:
            conversation = access.lock(pk)
            if conversation.is_open:
                end(conversation, by="visitor")


def lapse_identities() -> int:
    """Change the level of visitors whose verification is older than LIANXIN_VERIFIED_MINUTES to "claimed".

    At most LAPSE_BATCH visitors are changed in one call. Returns their number. Every process runs this periodic job
    once a minute (`core.periodic`); repeats are harmless.
    """
    is_old = Q(verified_at__lt=verified_since()) | Q(verified_at__isnull=True)
    lapsed = Visitor.objects.filter(is_old, level=Level.VERIFIED)
    pks = list(lapsed.values_list("pk", flat=True)[:LAPSE_BATCH])
    if not pks:
        return 0
    with transaction.atomic():
        # Lock in id order, and filter again because a visitor may have signed in since the first query.
        locked = lapsed.filter(pk__in=pks).select_for_update(of=("self",)).order_by("pk")
        return _lower_to_claimed([visitor.pk for visitor in locked])


def _checked_claims(site: Site, identity: str, nonce: str) -> dict[str, Any]:
    """Check an identity token for this site and nonce and return its claims. Raises IdentityRefused."""
    if not site.identity_secret:
        raise IdentityRefused
    try:
        claims: dict[str, Any] = jwt.decode(
            identity,
            site.identity_secret,
            algorithms=["HS256"],
            audience=site.key,
            leeway=5,
            options={"require": ["sub", "aud", "iat", "exp", "jti"], "strict_aud": True},
        )
        reference, token_id = str(claims["sub"]), str(claims["jti"])
        has_valid_lifetime = 0 < claims["exp"] - claims["iat"] <= IDENTITY_MAX_SECONDS
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError) as error:
        raise IdentityRefused from error
    if (
        not has_valid_lifetime
        or not 0 < len(reference) <= 64
        or not 0 < len(token_id) <= 64
        or clean_text(reference + token_id) != reference + token_id
    ):
        raise IdentityRefused
    # A nonce in the token is always compared, even when the site does not require one.
    token_nonce = claims.get("nonce")
    if (site.requires_nonce or token_nonce is not None) and not constant_time_compare(
        str(token_nonce), nonce
    ):
        raise IdentityRefused
    return claims


def _use_once(site: Site, claims: dict[str, Any]) -> None:
    """Record the use of a token. Raises IdentityRefused when it has been used before."""
    _, is_new = IdentityUse.objects.get_or_create(
        token_id=hashlib.sha256(f"{site.pk}:{claims['jti']}".encode()).hexdigest(),
        defaults={"expires_at": datetime.fromtimestamp(claims["exp"], UTC)},
    )
    if not is_new:
        raise IdentityRefused
    IdentityUse.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1)).delete()


def _lock_both(verified: Visitor, former_uuid: UUID) -> tuple[Visitor, Visitor | None]:
    """Lock two visitors and return them: the verified one, and the one with `former_uuid`. The second is None if there
    is no such visitor or if both are the same.

    Visitors are locked in id order, so that two simultaneous sign-ins of the same two visitors cannot deadlock.
    """
    both = Visitor.objects.filter(pk=verified.pk) | Visitor.objects.filter(uuid=former_uuid)
    locked = {visitor.pk: visitor for visitor in both.select_for_update(of=("self",)).order_by("pk")}
    return locked.pop(verified.pk), next(iter(locked.values()), None)


def _void_tokens(visitor: Visitor) -> None:
    """Raise the token generation of a locked visitor. Sockets that were opened with an earlier generation close."""
    visitor.token_generation += 1
    visitor.save(update_fields=["token_generation"])
    delivery.announce_on_commit(VisitorTokensVoided(visitor.pk, visitor.token_generation))


def _move_open_conversation(former: Visitor | None, verified: Visitor) -> None:
    """Move the open conversation of `former`, unless `former` is a customer, to the verified visitor.

    If the verified visitor already has an open conversation, that conversation continues. The conversation of `former`
    then ends, because no screen shows it any more. The name and level of the verified visitor are announced.
    """
    anonymous = former if former is not None and not former.is_customer else None
    owners = {visitor.pk for visitor in (anonymous, verified) if visitor is not None}
    unclosed = Conversation.objects.filter(visitor__in=owners).exclude(status=Status.CLOSED)
    pks = list(unclosed.values_list("pk", flat=True))
    # Lock in id order, as the writer does, so that this transaction and the writer cannot deadlock.
    access.lock_conversations(pks)
    open_ones = [conversation for conversation in map(access.lock, sorted(pks)) if conversation.is_open]
    of_verified = next((item for item in open_ones if item.visitor_id == verified.pk), None)
    of_anonymous = next((item for item in open_ones if item.visitor_id != verified.pk), None)
    if of_anonymous is not None and of_verified is not None:
        end(of_anonymous, by="visitor")
    current = of_verified or of_anonymous
    if current is not None:
        current.visitor, current.verified_at = verified, verified.verified_at
        current.save(update_fields=["visitor", "verified_at"])
    show_visitor([verified.pk])


def _lower_to_claimed(pks: list[int]) -> int:
    """Change the level of these locked visitors from "verified" to "claimed", and notify the consoles. Returns their
    number."""
    lowered = Visitor.objects.filter(pk__in=pks, level=Level.VERIFIED).update(level=Level.CLAIMED)
    if not lowered:
        return 0
    show_visitor(pks)
    return lowered
