"""Rules and forms for passwords: how long, one's own to change, one's own to confirm what needs it."""

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import audit
from accounts.models import Staff
from accounts.sign_in import CONFIRMATION, TooManyTries
from core.rate_limits import hit, retry_after


class MinimumLength(MinimumLengthValidator):
    """Django's rule of length, with words of ours: Django's are not in its Chinese."""

    def get_error_message(self) -> str:
        return (
            ngettext(
                "This password is too short: it needs at least %d character.",
                "This password is too short: it needs at least %d characters.",
                self.min_length,
            )
            % self.min_length
        )


def confirm_own(staff: Staff, password: str) -> None:
    """Raises ValidationError unless this is the member of staff's own password, and after too many wrong ones."""
    key = str(staff.pk)
    if seconds := retry_after(CONFIRMATION.name, key, CONFIRMATION.tries, CONFIRMATION.seconds):
        raise TooManyTries(seconds)
    if not staff.check_password(password):
        hit(CONFIRMATION.name, key, CONFIRMATION.tries, CONFIRMATION.seconds)
        audit.record(staff, "staff.own_password_wrong", staff)
        raise ValidationError(_("That is not your password."), code="password_incorrect")


class OwnPasswordForm(PasswordChangeForm):
    """One's own password: the present one, and twice the new one, which is another."""

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        confirm_own(self.user, password)
        return password

    def clean(self) -> Any:
        cleaned = super().clean()
        new = self.cleaned_data.get("new_password1")
        if new and new == self.cleaned_data.get("old_password"):
            self.add_error("new_password2", _("Choose a password that differs from the present one."))
        return cleaned


class ConfirmedForm(forms.Form):
    """Asks the person at the keyboard for their own password. Set `by` before validation."""

    by: Staff
    own_password = forms.CharField(
        label=_("Your own password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("To make sure that it is you, and not somebody at a screen you left open."),
    )

    def clean_own_password(self) -> str:
        password: str = self.cleaned_data["own_password"]
        confirm_own(self.by, password)
        return password


class FirstPasswordForm(ConfirmedForm, SetPasswordForm):  # type: ignore[type-arg]
    """A password that an administrator sets for somebody, who chooses another when they sign in."""
