"""Models of a visitor, who is a person on a website, and of the identity tokens that visitors have used."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.site import Site

# A customer's token becomes invalid this many hours after the last sign-in, even if welcome frames have renewed it
# since.
SIGNED_IN_HOURS = 12


class Level(models.TextChoices):
    ANONYMOUS = "anonymous", _("anonymous")
    CLAIMED = "claimed", _("name not verified")
    VERIFIED = "verified", _("verified")


class Visitor(models.Model):
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, models.PROTECT, verbose_name=_("site"))
    level = models.CharField(
        _("identity"),
        max_length=10,
        choices=Level,
        default=Level.ANONYMOUS,
        help_text=_(
            "Name not verified: the visitor entered a name. Verified: the bank's site confirmed the "
            "identity with a signed token."
        ),
    )
    customer_reference = models.CharField(_("customer reference"), max_length=64, blank=True)
    name = models.CharField(_("name"), max_length=60, blank=True)
    language = models.CharField(_("language"), max_length=10, default="zh")
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    verified_at = models.DateTimeField(_("last verified"), null=True, blank=True, editable=False)
    # Sign-in and logout raise this number. Tokens of earlier generations are then void.
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
        """Whether the bank's site has ever identified this visitor, even if the verification has expired since."""
        return bool(self.customer_reference)

    def accepts(self, generation: int) -> bool:
        """Return whether a visitor token of this generation is still valid."""
        if generation != self.token_generation:
            return False
        if not self.is_customer:
            return True
        oldest = timezone.now() - timedelta(hours=SIGNED_IN_HOURS)
        return self.verified_at is not None and self.verified_at > oldest

    def level_now(self) -> "Level":
        """Return the visitor's level of identification now. An expired verification counts as the lower level at once.

        The stored level stays the same until the next run of `lapse_identities`.
        """
        if self.level == Level.VERIFIED and not self.verified_seconds():
            return Level.CLAIMED
        return Level(self.level)

    def verified_seconds(self) -> int:
        """Return the seconds until the verification expires; 0 for a visitor who is not verified."""
        if self.level != Level.VERIFIED or self.verified_at is None:
            return 0
        return max(0, round((self.verified_at - verified_since()).total_seconds()))


def verified_since() -> datetime:
    """Return the earliest time of a sign-in that still counts as verified now."""
    return timezone.now() - timedelta(minutes=settings.VERIFIED_MINUTES)


class IdentityUse(models.Model):
    """An identity token of a bank's site that has been used. Each identity token is valid only once."""

    token_id = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.token_id
