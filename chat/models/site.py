"""Site: a website that embeds the box, with its looks, its form and its words."""

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
    """One full origin a line, as a browser sends it: scheme and host, and the port when it is not the usual one."""
    for line in value.splitlines():
        parts = urlsplit(line.strip())
        if not line.strip():
            continue
        if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[a-z0-9.-]+(:\d{1,5})?", parts.netloc):
            raise ValidationError(
                _("“%(line)s” is not an origin such as https://www.bank.example"), params={"line": line}
            )
        if f"{parts.scheme}://{parts.netloc}" != line.strip():
            raise ValidationError(
                _("“%(line)s”: leave out everything after the host and port"), params={"line": line}
            )


validate_colour = RegexValidator(r"^#[0-9a-fA-F]{6}$", _("a colour such as #1b5e4b"))


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
        help_text=_("public; stands in the script tag"),
    )
    name_zh = models.CharField(_("bank's name in Chinese"), max_length=60)
    name_en = models.CharField(_("bank's name in English"), max_length=60)
    is_active = models.BooleanField(_("in use"), default=True)
    allowed_origins = models.TextField(
        _("allowed origins"),
        validators=[validate_origins],
        help_text=_("one a line; only pages of these may show the box"),
    )
    identity_secret = models.CharField(
        _("identity secret"),
        max_length=128,
        default=new_secret,
        help_text=_(
            "signs the tokens by which the bank's site says who is logged in; keep it on the bank's server"
        ),
    )
    requires_nonce = models.BooleanField(
        _("identity tokens carry the browser's nonce"),
        default=True,
        db_default=True,
        help_text=_(
            "A token that was copied on its way is of no use in another browser. "
            "Untick only while the bank's server cannot put the nonce into its tokens."
        ),
    )
    department = models.ForeignKey(
        Department,
        models.PROTECT,
        verbose_name=_("department"),
        help_text=_("takes what no subject sends elsewhere"),
    )
    hotline = models.CharField(_("hotline"), max_length=30, blank=True)
    accent = models.CharField(_("colour"), max_length=7, default="#1b5e4b", validators=[validate_colour])
    position = models.CharField(_("position"), max_length=5, choices=Position, default=Position.RIGHT)
    title_zh = models.CharField(_("title in Chinese"), max_length=40, default="在线客服")
    title_en = models.CharField(_("title in English"), max_length=40, default="Chat with us")
    launcher_zh = models.CharField(
        _("launcher text in Chinese"), max_length=20, blank=True, default="在线客服"
    )
    launcher_en = models.CharField(_("launcher text in English"), max_length=20, blank=True, default="Chat")
    suggests_answers = models.BooleanField(
        _("answers are suggested"),
        default=True,
        db_default=True,
        help_text=_(
            "the box offers public knowledge points while somebody waits; a person is always one press away"
        ),
    )
    attachments = models.BooleanField(_("files may be sent"), default=True)
    attachment_types = models.JSONField(
        _("kinds of file"),
        default=list,
        blank=True,
        help_text=_(
            "of image/png, image/jpeg, image/gif, image/webp, application/pdf; none named: all of these"
        ),
    )
    attachment_megabytes = models.PositiveSmallIntegerField(
        _("largest file, MB"), default=10, validators=[MinValueValidator(1), MaxValueValidator(50)]
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
        """`name`, `title` or `launcher` in Chinese or, for any other language, in English."""
        value: str = getattr(self, f"{field}_{'zh' if (language or 'zh').startswith('zh') else 'en'}")
        return value


class FormField(models.Model):
    """A question of the short form before the chat."""

    class Kind(models.TextChoices):
        NAME = "name", _("the visitor's name")
        DEPARTMENT = "department", _("subject: chooses the department")
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
        verbose_name_plural = _("form before the chat")
        ordering = ("order", "id")
        constraints = [models.UniqueConstraint(fields=["site", "key"], name="form_field_once_per_site")]

    def __str__(self) -> str:
        return self.label_zh

    def label_in(self, language: str | None) -> str:
        """The label in `zh...` or, for any other language, in English."""
        return self.label_zh if (language or "zh").startswith("zh") else self.label_en


class QuickTopic(models.Model):
    """A button on the first screen: what people come for at this hour."""

    site = models.ForeignKey(Site, models.CASCADE, related_name="quick_topics", verbose_name=_("site"))
    language = models.CharField(
        _("language"), max_length=10, choices=[("zh", _("Chinese")), ("en", _("English"))]
    )
    label = models.CharField(_("label"), max_length=40)
    first_message = models.CharField(_("what it says for the visitor"), max_length=200)
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
    """The business texts that a bank may word for itself."""

    GREETING_MORNING = "greeting_morning", _("greeting in the morning (5 to 12 h)")
    GREETING_AFTERNOON = "greeting_afternoon", _("greeting in the afternoon (12 to 18 h)")
    GREETING_EVENING = "greeting_evening", _("greeting in the evening (18 to 23 h)")
    GREETING_NIGHT = "greeting_night", _("greeting at night (23 to 5 h)")
    PRIVACY = "privacy", _("what not to write")
    WAITING = "waiting", _("while waiting")
    NOBODY = "nobody", _("when nobody is online")
    ENDED = "ended", _("after the chat")
    RATING = "rating", _("the question of the rating")


class BusinessText(models.Model):
    site = models.ForeignKey(Site, models.CASCADE, related_name="texts", verbose_name=_("site"))
    code = models.CharField(_("where it stands"), max_length=30, choices=TextCode)
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
