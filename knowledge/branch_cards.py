"""A branch or cash machine as the console shows it, and as a card in the conversation."""

from typing import Any
from urllib.parse import quote

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from chat.languages import language_code
from knowledge.models import Branch


def map_address(branch: Branch, language: str, template: str) -> str:
    """Return the URL of a map of the branch, or "" if the branch has no coordinates or the bank has configured no
    map."""
    if branch.latitude is None or branch.longitude is None or not template:
        return ""
    return template.format(
        latitude=branch.latitude, longitude=branch.longitude, name=quote(branch.name_in(language), safe="")
    )


def branch_text(branch: Branch, language: str, template: str) -> str:
    """Return the message text for a customer: name, address, hours, telephone, services and map, one per line.

    The widget draws the text as a card. Where no card is drawn, the text itself is shown and has all these facts.
    """
    with translation.override(language_code(language)):
        days = [branch.weekday_hours, branch.saturday_hours, branch.sunday_hours]
        formats = [_("Weekdays %(hours)s"), _("Saturdays %(hours)s"), _("Sundays %(hours)s")]
        hours = [text % {"hours": _hours(day)} for text, day in zip(formats, days, strict=True)]
        if len(set(days)) == 1:
            hours = [_hours(days[0])]
        services = [str(label) for value, label in Branch.Service.choices if value in branch.services]
        rows = [
            branch.name_in(language),
            branch.address_in(language),
            _("Hours: %(hours)s") % {"hours": _(", ").join(hours)},
            _("Telephone: %(number)s") % {"number": branch.telephone} if branch.telephone else "",
            _("Services: %(services)s") % {"services": _(", ").join(services)} if services else "",
            map_address(branch, language, template),
        ]
    return "\n".join(row for row in rows if row)


def _hours(hours: str) -> str:
    return _("round the clock") if hours == "24h" else hours or pgettext("branch", "closed")


def card_of(branch: Branch, language: str, template: str) -> dict[str, Any]:
    """Return the branch for the console: the text for the customer, and the duty contact, which is for staff only."""
    return {
        "id": branch.pk,
        "source": f"place/{branch.pk}/{branch.edition}",
        "kind": branch.kind,
        "title": branch.name_in(language),
        "passage": branch.address_in(language),
        "text": branch_text(branch, language, template),
        "note": branch.duty_contact,
    }
