"""Regions, and the bank's branches and cash machines in them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Region(models.Model):
    """A district or county. Each branch is in one region, and a knowledge point may apply to one region only."""

    name = models.CharField(_("name"), max_length=40, unique=True)
    name_en = models.CharField(_("name in English"), max_length=60, blank=True)

    class Meta:
        verbose_name = _("region")
        verbose_name_plural = _("regions")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name_in(get_language())

    def name_in(self, language: str | None) -> str:
        return self.name if not self.name_en or (language or "zh").startswith("zh") else self.name_en


class Branch(models.Model):
    """A branch or cash machine. Customers see all of it except `duty_contact`, which is for staff only."""

    class Kind(models.TextChoices):
        BRANCH = "branch", _("branch")
        ATM = "atm", _("cash machine")

    class Service(models.TextChoices):
        PERSONAL = "personal", _("personal banking")
        BUSINESS = "business", _("business banking")
        CASH = "cash", _("cash withdrawal")
        DEPOSIT = "deposit", _("cash deposit")
        FOREIGN_EXCHANGE = "foreign_exchange", _("foreign exchange")
        LOANS = "loans", _("loans")
        SAFE_BOX = "safe_box", _("safe deposit box")
        COINS = "coins", _("coins and damaged notes")
        SOCIAL_SECURITY = "social_security", _("social security card")
        WHEELCHAIR = "wheelchair", _("step-free access")
        SIGN_LANGUAGE = "sign_language", _("sign language")
        PASSBOOK = "passbook", _("passbook update")

    key = models.SlugField(_("key"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=6, choices=Kind, default=Kind.BRANCH)
    name = models.CharField(_("name"), max_length=80)
    name_en = models.CharField(_("name in English"), max_length=120, blank=True)
    region = models.ForeignKey(Region, models.PROTECT, verbose_name=_("region"), related_name="branches")
    address = models.CharField(_("address"), max_length=160)
    address_en = models.CharField(_("address in English"), max_length=200, blank=True)
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=8,
        decimal_places=5,
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
        help_text=_("degrees north"),
    )
    longitude = models.DecimalField(
        _("longitude"),
        max_digits=8,
        decimal_places=5,
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
        help_text=_("degrees east"),
    )
    weekday_hours = models.CharField(
        _("hours on weekdays"), max_length=60, help_text=_("09:00-17:00, or 24h")
    )
    saturday_hours = models.CharField(
        _("hours on Saturdays"), max_length=60, blank=True, help_text=_("Leave empty if closed")
    )
    sunday_hours = models.CharField(
        _("hours on Sundays"), max_length=60, blank=True, help_text=_("Leave empty if closed")
    )
    telephone = models.CharField(_("telephone"), max_length=30, blank=True)
    services = models.JSONField(_("services"), default=list, blank=True)
    aliases = models.JSONField(
        _("other names"), default=list, blank=True, help_text=_("Other names that people use for the branch")
    )
    duty_contact = models.CharField(
        _("duty contact"), max_length=100, blank=True, help_text=_("Visible to staff only")
    )
    is_active = models.BooleanField(_("in use"), default=True)
    edition = models.PositiveBigIntegerField(default=0, db_index=True, editable=False)

    class Meta:
        verbose_name = _("branch or cash machine")
        verbose_name_plural = _("branches and cash machines")
        ordering = ("region", "name")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(latitude__isnull=True, longitude__isnull=True)
                | models.Q(latitude__isnull=False, longitude__isnull=False),
                name="branch_has_both_coordinates_or_none",
            )
        ]

    def __str__(self) -> str:
        return self.name_in(get_language())

    def name_in(self, language: str | None) -> str:
        return self.name if not self.name_en or (language or "zh").startswith("zh") else self.name_en

    def address_in(self, language: str | None) -> str:
        return self.address if not self.address_en or (language or "zh").startswith("zh") else self.address_en
