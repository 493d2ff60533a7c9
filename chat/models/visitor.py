"""Visitor: somebody on a site, and how sure we are who that is."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.site import Site


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

    def __str__(self) -> str:
        return self.name or str(self.uuid)[:8]


class IdentityUse(models.Model):
    """An identity token that has been used: each is good once."""

    token_id = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.token_id
