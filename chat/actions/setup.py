"""What an administrator sets up: sites with their form, topics and texts, and wrap-up codes. Every write is audited."""

from collections.abc import Sequence

from django.db import transaction

from accounts import audit
from accounts.access import require
from accounts.models import Staff
from chat.errors import BadRequest
from chat.models import BusinessText, FormField, QuickTopic, Site, WrapUpCode
from chat.models.site import new_secret

SetUp = Site | FormField | QuickTopic | BusinessText | WrapUpCode
# Parts of a site, which may be taken away again; a site or a code that was in use is switched off instead.
Part = FormField | QuickTopic | BusinessText


def save_setup(*, by: Staff, subject: SetUp, fields: Sequence[str]) -> None:
    """Stores a new object, or those of the `fields` of one that differ from what is stored.

    The trail names the fields, never what is in them.
    """
    require(by, "set_up")
    kind = subject._meta.model_name
    with transaction.atomic():
        if subject._state.adding:
            subject.save(force_insert=True)
            audit.record(by, "setup.created", _whole(subject), kind=kind, id=subject.pk)
            return
        stored = type(subject).objects.select_for_update(of=("self",)).get(pk=subject.pk)
        changed = sorted(name for name in fields if getattr(stored, name) != getattr(subject, name))
        if changed:
            subject.save(update_fields=changed)
            audit.record(by, "setup.changed", _whole(subject), kind=kind, id=subject.pk, fields=changed)


def remove_setup(*, by: Staff, subject: Part) -> None:
    """Takes a part of a site away. Removing what is gone is harmless."""
    require(by, "set_up")
    if not isinstance(subject, FormField | QuickTopic | BusinessText):
        raise BadRequest
    with transaction.atomic():
        removed, _ = type(subject).objects.filter(pk=subject.pk).delete()
        if removed:
            audit.record(by, "setup.removed", _whole(subject), kind=subject._meta.model_name, id=subject.pk)


def renew_secret(*, by: Staff, site: Site) -> None:
    """A new identity secret: tokens signed with the former one are refused from now on. Shown once, to `by`."""
    require(by, "set_up")
    with transaction.atomic():
        site.identity_secret = new_secret()
        site.save(update_fields=["identity_secret"])
        audit.record(by, "site.secret_renewed", site)


def _whole(subject: SetUp) -> Site | WrapUpCode:
    """What the entry is about: for a part, its site."""
    return subject if isinstance(subject, Site | WrapUpCode) else subject.site
