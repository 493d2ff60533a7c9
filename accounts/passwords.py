"""The rule of length for passwords, with words of ours: Django's are not in its Chinese."""

from django.contrib.auth.password_validation import MinimumLengthValidator
from django.utils.translation import ngettext


class MinimumLength(MinimumLengthValidator):
    def get_error_message(self) -> str:
        return (
            ngettext(
                "This password is too short: it needs at least %d character.",
                "This password is too short: it needs at least %d characters.",
                self.min_length,
            )
            % self.min_length
        )
