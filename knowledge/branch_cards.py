"""A branch or a cash machine as it is shown: to an agent, and as a card to a customer."""

from typing import Any
from urllib.parse import quote

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from chat.languages import language_code
from knowledge.models import Branch


def map_address(place: Branch, language: str, template: str) -> str:
    """Where a map shows it; "" where it has no coordinates or the bank has named no map."""
    if place.latitude is None or place.longitude is None or not template:
        return ""
    return template.format(
        latitude=place.latitude, longitude=place.longitude, name=quote(place.name_in(language), safe="")
    )


def text_of(place: Branch, language: str, template: str) -> str:
    """What is said to a customer: name, address, hours, telephone, services and the map, a line each.

    The box draws it as a card; wherever else it is read, the lines say the same.
    """
    with translation.override(language_code(language)):
        days = [place.weekday_hours, place.saturday_hours, place.sunday_hours]
        named = [_("Weekdays %(hours)s"), _("Saturdays %(hours)s"), _("Sundays %(hours)s")]
        hours = [name % {"hours": _hours(day)} for name, day in zip(named, days, strict=True)]
        if len(set(days)) == 1:
            hours = [_hours(days[0])]
        services = [str(label) for value, label in Branch.Service.choices if value in place.services]
        lines = [
            place.name_in(language),
            place.address_in(language),
            _("Hours: %(hours)s") % {"hours": _(", ").join(hours)},
            _("Telephone: %(number)s") % {"number": place.telephone} if place.telephone else "",
            _("Services: %(services)s") % {"services": _(", ").join(services)} if services else "",
            map_address(place, language, template),
        ]
    return "\n".join(line for line in lines if line)


def _hours(hours: str) -> str:
    return _("round the clock") if hours == "24h" else hours or pgettext("branch", "closed")


def card_of(place: Branch, language: str, template: str) -> dict[str, Any]:
    """For the console: what it says to the customer, and the duty contact that the customer never sees."""
    return {
        "id": place.pk,
        "source": f"place/{place.pk}/{place.edition}",
        "kind": place.kind,
        "title": place.name_in(language),
        "passage": place.address_in(language),
        "text": text_of(place, language, template),
        "note": place.duty_contact,
    }
