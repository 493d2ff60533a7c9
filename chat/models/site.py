"""Models of a site, which is a website that embeds the widget: its appearance, pre-chat form, quick topics and
texts."""

import re
import secrets
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Department


def new_key() -> str:
    return secrets.token_hex(8)


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def validate_origins(value: str) -> None:
    """Check that each line of a text is an origin as browsers send it. Raises ValidationError with the invalid line.

    An origin consists of scheme and host, and of the port if it is not the default port. Empty lines are allowed. A
    default port is not detected.
    """
    for line in value.splitlines():
        parts = urlsplit(line.strip())
        if not line.strip():
            continue
        if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[a-z0-9.-]+(:\d{1,5})?", parts.netloc):
            raise ValidationError(
                _("“%(line)s” is not an origin. Example: https://www.bank.example"), params={"line": line}
            )
        if f"{parts.scheme}://{parts.netloc}" != line.strip():
            raise ValidationError(
                _("Remove everything after the host and port: “%(line)s”"), params={"line": line}
            )


validate_colour = RegexValidator(r"^#[0-9a-fA-F]{6}$", _("Enter a colour such as #1b5e4b."))


class Site(models.Model):
    class Position(models.TextChoices):
        RIGHT = "right", _("bottom right")
        LEFT = "left", _("bottom left")

    key = models.CharField(
        _("site key"),
        max_length=32,
        unique=True,
        default=new_key,
        validators=[RegexValidator(r"^[a-z0-9-]+$")],
        help_text=_("Public. Part of the script tag."),
    )
    name_zh = models.CharField(_("bank's name in Chinese"), max_length=60)
    name_en = models.CharField(_("bank's name in English"), max_length=60)
    is_active = models.BooleanField(_("in use"), default=True)
    allowed_origins = models.TextField(
        _("allowed origins"),
        validators=[validate_origins],
        help_text=_("One per line. Only pages from these origins may show the widget."),
    )
    identity_secret = models.CharField(
        _("identity secret"),
        max_length=128,
        default=new_secret,
        help_text=_(
            "Signs the tokens that identify the customer who is signed in on the bank's site. Keep it "
            "only on the bank's server."
        ),
    )
    requires_nonce = models.BooleanField(
        _("require a nonce in identity tokens"),
        default=True,
        db_default=True,
        help_text=_(
            "With the nonce, a stolen token is useless in another browser. Untick only while the bank's server "
            "cannot put the nonce into its tokens."
        ),
    )
    department = models.ForeignKey(
        Department,
        models.PROTECT,
        verbose_name=_("department"),
        help_text=_(
            "Gets every conversation that is not sent to another department by a form answer or quick topic."
        ),
    )
    hotline = models.CharField(_("hotline"), max_length=30, blank=True)
    accent = models.CharField(_("colour"), max_length=7, default="#1b5e4b", validators=[validate_colour])
    position = models.CharField(_("position"), max_length=5, choices=Position, default=Position.RIGHT)
    title_zh = models.CharField(_("title in Chinese"), max_length=40, default="在线客服")
    title_en = models.CharField(_("title in English"), max_length=40, default="Chat with us")
    launcher_zh = models.CharField(_("button text in Chinese"), max_length=20, blank=True, default="在线客服")
    launcher_en = models.CharField(_("button text in English"), max_length=20, blank=True, default="Chat")
    suggests_answers = models.BooleanField(
        _("suggest answers"),
        default=True,
        db_default=True,
        help_text=_(
            "The widget suggests public knowledge points while a visitor waits. A person is always one click "
            "away."
        ),
    )
    attachments = models.BooleanField(_("allow files"), default=True)
    attachment_types = models.JSONField(
        _("file types"),
        default=list,
        blank=True,
        help_text=_(
            "Choose from image/png, image/jpeg, image/gif, image/webp and application/pdf. Leave empty "
            "to allow all of these."
        ),
    )
    attachment_megabytes = models.PositiveSmallIntegerField(
        _("maximum file size (MB)"), default=10, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name_zh

    @property
    def origins(self) -> list[str]:
        return [line.strip() for line in self.allowed_origins.splitlines() if line.strip()]

    def in_language(self, field: str, language: str | None) -> str:
        """Return the field `name`, `title` or `launcher` in Chinese if the language is Chinese, otherwise in
        English."""
        value: str = getattr(self, f"{field}_{'zh' if (language or 'zh').startswith('zh') else 'en'}")
        return value


class FormField(models.Model):
    """A question in the form that visitors fill in before a conversation."""

    class Kind(models.TextChoices):
        NAME = "name", _("the visitor's name")
        DEPARTMENT = "department", _("subject (determines the department)")
        TEXT = "text", _("free text")

    site = models.ForeignKey(Site, models.CASCADE, related_name="form_fields", verbose_name=_("site"))
    key = models.SlugField(_("key"), max_length=30)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    label_zh = models.CharField(_("label in Chinese"), max_length=60)
    label_en = models.CharField(_("label in English"), max_length=60)
    is_required = models.BooleanField(_("required"), default=False)
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("form field")
        verbose_name_plural = _("pre-chat form")
        ordering = ("order", "id")
        constraints = [models.UniqueConstraint(fields=["site", "key"], name="form_field_once_per_site")]

    def __str__(self) -> str:
        return self.label_zh

    def label_in(self, language: str | None) -> str:
        """Return the label in Chinese if the language is Chinese, otherwise in English."""
        return self.label_zh if (language or "zh").startswith("zh") else self.label_en


class QuickTopic(models.Model):
    """A button on the first screen of the widget that starts a conversation about a frequent request."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="quick_topics", verbose_name=_("site"))
    language = models.CharField(
        _("language"), max_length=10, choices=[("zh", _("Chinese")), ("en", _("English"))]
    )
    label = models.CharField(_("label"), max_length=40)
    first_message = models.CharField(_("message sent on the visitor's behalf"), max_length=200)
    department = models.ForeignKey(
        Department, models.SET_NULL, null=True, blank=True, verbose_name=_("department")
    )
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("quick topic")
        verbose_name_plural = _("quick topics")
        ordering = ("order", "id")

    def __str__(self) -> str:
        return self.label


class TextCode(models.TextChoices):
    """The places in the widget whose texts a bank may write itself."""

    GREETING_MORNING = "greeting_morning", _("morning greeting (05:00 to 12:00)")
    GREETING_AFTERNOON = "greeting_afternoon", _("afternoon greeting (12:00 to 18:00)")
    GREETING_EVENING = "greeting_evening", _("evening greeting (18:00 to 23:00)")
    GREETING_NIGHT = "greeting_night", _("night greeting (23:00 to 05:00)")
    PRIVACY = "privacy", _("privacy reminder")
    WAITING = "waiting", _("while waiting")
    NOBODY = "nobody", _("when no agent is online")
    ENDED = "ended", _("after the conversation")
    RATING = "rating", _("rating question")


class BusinessText(models.Model):
    site = models.ForeignKey(Site, models.CASCADE, related_name="texts", verbose_name=_("site"))
    code = models.CharField(_("where the text is shown"), max_length=30, choices=TextCode)
    language = models.CharField(
        _("language"), max_length=10, choices=[("zh", _("Chinese")), ("en", _("English"))]
    )
    body = models.CharField(_("text"), max_length=400)

    class Meta:
        verbose_name = _("business text")
        verbose_name_plural = _("business texts")
        ordering = ("site", "code", "language")
        constraints = [
            models.UniqueConstraint(fields=["site", "code", "language"], name="business_text_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_code_display()} ({self.language})"
