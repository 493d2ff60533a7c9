"""Visitor: somebody on a site, and how sure we are who that is."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.site import Site

# A customer's token is good for this long after the last sign-in, however often a welcome renews it.
SIGNED_IN_HOURS = 12


class Level(models.TextChoices):
    ANONYMOUS = "anonymous", _("anonymous")
    CLAIMED = "claimed", _("claimed")
    VERIFIED = "verified", _("verified")


class Visitor(models.Model):
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"))
    level = models.CharField(
        _("identity"),
        max_length=10,
        choices=Level,
        default=Level.ANONYMOUS,
        help_text=_("claimed: says a name; verified: the bank's site has signed who it is"),
    )
    customer_reference = models.CharField(_("customer reference"), max_length=64, blank=True)
    name = models.CharField(_("name"), max_length=60, blank=True)
    language = models.CharField(_("language"), max_length=10, default="zh")
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    verified_at = models.DateTimeField(_("last verified"), null=True, blank=True, editable=False)
    # Raised by a sign-in and by a logout: tokens of an earlier generation are void.
    token_generation = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        constraints = [
            models.UniqueConstraint(
                fields=["site", "customer_reference"],
                condition=~models.Q(customer_reference=""),
                name="visitor_once_per_customer",
            ),
            models.CheckConstraint(
                condition=~models.Q(level="verified") | ~models.Q(customer_reference=""),
                name="verified_visitor_has_reference",
            ),
        ]
        indexes = [
            models.Index(
                fields=["verified_at"], condition=models.Q(level="verified"), name="visitor_verified_until"
            )
        ]

    def __str__(self) -> str:
        return self.name or str(self.uuid)[:8]

    @property
    def is_customer(self) -> bool:
        """Whether the bank's site has ever said who this is. Only a newer sign-in makes the visitor verified again."""
        return bool(self.customer_reference)

    def accepts(self, generation: int) -> bool:
        """Whether a token of this generation still speaks for the visitor."""
        if generation != self.token_generation:
            return False
        if not self.is_customer:
            return True
        oldest = timezone.now() - timedelta(hours=SIGNED_IN_HOURS)
        return self.verified_at is not None and self.verified_at > oldest

    def level_now(self) -> "Level":
        """The level, and no longer "verified" from the second on in which that lapses."""
        if self.level == Level.VERIFIED and not self.verified_seconds():
            return Level.CLAIMED
        return Level(self.level)

    def verified_seconds(self) -> int:
        """Seconds until "verified" lapses; 0 for a visitor who is not verified."""
        if self.level != Level.VERIFIED or self.verified_at is None:
            return 0
        return max(0, round((self.verified_at - verified_since()).total_seconds()))


def verified_since() -> datetime:
    """The moment before which a proof of identity no longer counts as verified."""
    return timezone.now() - timedelta(minutes=settings.VERIFIED_MINUTES)


class IdentityUse(models.Model):
    """An identity token that has been used: each is good once."""

    token_id = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.token_id
