"""Reasons why the board refuses a request."""

from django.utils.translation import gettext_lazy as _

from chat.errors import NotFound


class AgentNotFound(NotFound):
    text = _("This staff member does not exist, or does not answer customers.")


class DepartmentNotFound(NotFound):
    text = _("This department does not exist.")
