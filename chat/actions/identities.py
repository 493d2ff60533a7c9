"""Who a visitor is: signed in by the bank's site, logged out again, and no longer verified after a while."""

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
from chat.actions.events import ConversationChange, current_row
from chat.errors import IdentityRefused
from chat.models import OPEN, Conversation, IdentityUse, Level, Site, Visitor, verified_since
from chat.protocol import ConversationChanged, VisitorTokensVoided
from chat.realtime import delivery
from chat.widget import tokens
from core.text.cleaning import clean_line, clean_text

IDENTITY_MAX_SECONDS = 300
# Visitors whose proof has lapsed that one transaction takes.
LAPSE_BATCH = 500


def identify(
    *, site: Site, visitor_uuid: UUID, identity: str, generation: int = 0, language: str = "zh"
) -> Visitor:
    """Return the verified visitor whom an identity token names; what this visitor has open becomes theirs.

    The token is a JWT (RFC 7519) signed with HS256 and the site's secret: `sub` the customer reference, `aud` the
    site key, `iat` and `exp` at most five minutes apart, `jti` used once, `name` if wanted, and `nonce` as the
    welcome of this visitor's token `generation` gave it. Every sign-in makes the earlier tokens of both visitors
    void. Raises IdentityRefused.
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
    """Make every token of the visitor void.

    A customer's conversation stays open for their next sign-in. One that only this browser could find again ends.
    """
    with transaction.atomic():
        stored = Visitor.objects.select_for_update(of=("self",)).get(pk=visitor.pk)
        _void_tokens(stored)
        if stored.is_customer:
            _lower_to_claimed([stored.pk])
            return
        present = Conversation.objects.filter(visitor=stored, status__in=OPEN).values_list("pk", flat=True)
        for pk in present:
            conversation = access.lock(pk)
            if conversation.is_open:
                end(conversation, by="visitor")


def lapse_identities() -> int:
    """Lower verified visitors to "claimed" whose proof of identity is older than LIANXIN_VERIFIED_MINUTES.

    Returns how many were lowered. Every process does it once a minute (`core.periodic`); twice is harmless.
    """
    is_old = Q(verified_at__lt=verified_since()) | Q(verified_at__isnull=True)
    lapsed = Visitor.objects.filter(is_old, level=Level.VERIFIED)
    pks = list(lapsed.values_list("pk", flat=True)[:LAPSE_BATCH])
    if not pks:
        return 0
    with transaction.atomic():
        # Locked in order, and looked at again: a sign-in may have come between.
        locked = lapsed.filter(pk__in=pks).select_for_update(of=("self",)).order_by("pk")
        return _lower_to_claimed([visitor.pk for visitor in locked])


def _checked_claims(site: Site, identity: str, nonce: str) -> dict[str, Any]:
    """The claims of a token that is good for this browser now. Raises IdentityRefused."""
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
        is_sound = 0 < claims["exp"] - claims["iat"] <= IDENTITY_MAX_SECONDS
    except (jwt.InvalidTokenError, TypeError, ValueError, OverflowError) as error:
        raise IdentityRefused from error
    if (
        not is_sound
        or not 0 < len(reference) <= 64
        or not 0 < len(token_id) <= 64
        or clean_text(reference + token_id) != reference + token_id
    ):
        raise IdentityRefused
    # A nonce that is there is always compared, also where the site does not ask for one.
    said = claims.get("nonce")
    if (site.requires_nonce or said is not None) and not constant_time_compare(str(said), nonce):
        raise IdentityRefused
    return claims


def _use_once(site: Site, claims: dict[str, Any]) -> None:
    """Raises IdentityRefused for a token that has been used before."""
    _, is_new = IdentityUse.objects.get_or_create(
        token_id=hashlib.sha256(f"{site.pk}:{claims['jti']}".encode()).hexdigest(),
        defaults={"expires_at": datetime.fromtimestamp(claims["exp"], UTC)},
    )
    if not is_new:
        raise IdentityRefused
    IdentityUse.objects.filter(expires_at__lt=timezone.now() - timedelta(days=1)).delete()


def _lock_both(verified: Visitor, former_uuid: UUID) -> tuple[Visitor, Visitor | None]:
    """Both visitors locked in id order: two browsers that exchange their customers do not wait for each other."""
    both = Visitor.objects.filter(pk=verified.pk) | Visitor.objects.filter(uuid=former_uuid)
    locked = {visitor.pk: visitor for visitor in both.select_for_update(of=("self",)).order_by("pk")}
    return locked.pop(verified.pk), next(iter(locked.values()), None)


def _void_tokens(visitor: Visitor) -> None:
    """Raise the generation of a locked visitor and end the sockets that were opened with an earlier one."""
    visitor.token_generation += 1
    visitor.save(update_fields=["token_generation"])
    delivery.announce_on_commit(VisitorTokensVoided(visitor.pk, visitor.token_generation))


def _move_open_conversation(former: Visitor | None, verified: Visitor) -> None:
    """Hand the open conversation of a visitor who is nobody's customer to the verified one.

    Where that one has one open already, they go on in that, and the other ends: nobody reads what is said there.
    """
    anonymous = former if former is not None and not former.is_customer else None
    owners = {visitor.pk for visitor in (anonymous, verified) if visitor is not None}
    pks = list(Conversation.objects.filter(visitor__in=owners, status__in=OPEN).values_list("pk", flat=True))
    # All in id order, as the writer locks them.
    access.lock_conversations(pks)
    held = [conversation for conversation in map(access.lock, sorted(pks)) if conversation.is_open]
    theirs = next((each for each in held if each.visitor_id == verified.pk), None)
    begun_here = next((each for each in held if each.visitor_id != verified.pk), None)
    if begun_here is not None and theirs is not None:
        end(begun_here, by="visitor")
    present = theirs or begun_here
    if present is not None:
        change = ConversationChange(present)
        present.visitor, present.verified_at = verified, verified.verified_at
        change.save("visitor", "verified_at")


def _lower_to_claimed(pks: list[int]) -> int:
    """Take the mark "verified" away from locked visitors and tell the consoles that show them. Returns how many."""
    lowered = Visitor.objects.filter(pk__in=pks, level=Level.VERIFIED).update(level=Level.CLAIMED)
    if not lowered:
        return 0
    for conversation in Conversation.objects.filter(visitor__in=pks, status__in=OPEN):
        was = (conversation.status, conversation.agent_id, conversation.department_id)
        delivery.announce_on_commit(ConversationChanged(conversation.pk, current_row(conversation), *was))
    return lowered
