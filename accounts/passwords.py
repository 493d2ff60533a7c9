"""Password rules and forms: the minimum length, the change of one's own password, and the form that asks for one's own
password to confirm an action."""

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
    """Django's minimum-length rule with our own message, because Django has no Chinese translation of its message."""

    def get_error_message(self) -> str:
        return (
            ngettext(
                "This password is too short. Use at least %d character.",
                "This password is too short. Use at least %d characters.",
                self.min_length,
            )
            % self.min_length
        )


def confirm_own(staff: Staff, password: str) -> None:
    """Check that `password` is the staff member's own. Raises ValidationError if it is not, and TooManyTries after too
    many wrong passwords."""
    key = str(staff.pk)
    if seconds := retry_after(CONFIRMATION.name, key, CONFIRMATION.tries, CONFIRMATION.seconds):
        raise TooManyTries(seconds)
    if not staff.check_password(password):
        hit(CONFIRMATION.name, key, CONFIRMATION.tries, CONFIRMATION.seconds)
        audit.record(staff, "staff.own_password_wrong", staff)
        raise ValidationError(_("This is not your password. Try again."), code="password_incorrect")


class OwnPasswordForm(PasswordChangeForm):
    """The form with which staff change their own password. The new password must differ from the current one."""

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        confirm_own(self.user, password)
        return password

    def clean(self) -> Any:
        cleaned = super().clean()
        new = self.cleaned_data.get("new_password1")
        if new and new == self.cleaned_data.get("old_password"):
            self.add_error("new_password2", _("Choose a password that differs from your current one."))
        return cleaned


class ConfirmedForm(forms.Form):
    """A form that asks the signed-in staff member to confirm with their own password.

    Set `by` to that staff member before validation.
    """

    by: Staff
    own_password = forms.CharField(
        label=_("Your own password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=_("Confirms that it is you, and not someone else at a screen that you left unlocked."),
    )

    def clean_own_password(self) -> str:
        password: str = self.cleaned_data["own_password"]
        confirm_own(self.by, password)
        return password


class FirstPasswordForm(ConfirmedForm, SetPasswordForm):  # type: ignore[type-arg]
    """The form with which an administrator sets another person's password. That person must change it at sign-in."""
