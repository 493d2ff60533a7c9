"""Configuration by administrators: sites with their forms, topics and texts, wrap-up codes and emergency words. Every
write is audited.

A change that customers would see needs the approval of a second person. Removing or restricting something takes effect
at once.
"""

from collections.abc import Sequence

from django.db import transaction

from accounts import audit
from accounts.access import require
from accounts.approvals import actions as approvals
from accounts.approvals.authors import record_author
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.records import RecordKind, changed_fields
from accounts.models import Staff
from chat.approval_kinds import SITE
from chat.approvals import (
    BUSINESS_TEXTS,
    FORM_FIELDS,
    QUICK_TOPICS,
    SITE_KIND,
    InternalRecord,
    SetupRecord,
    audited_object_of,
    full_site_content,
    is_switch_on,
    write_setup,
)
from chat.attachments.file_types import FILE_TYPES
from chat.emergencies import forget_rules
from chat.errors import BadRequest, NotFound
from chat.models import BusinessText, EmergencyRule, FormField, QuickTopic, Site
from chat.models.site import new_secret

# The parts of a site. They can be removed, while a site or a wrap-up code that was in use can only be switched off.
SitePart = FormField | QuickTopic | BusinessText


def save_setup(*, by: Staff, subject: SetupRecord, fields: Sequence[str]) -> ApprovalRequest | None:
    """Store a new object, or those `fields` of an existing one that have changed. Returns the approval request if one
    is needed.

    Changes of a site that is switched off take effect at once, because customers do not see it; every new site is
    switched off. A change of an active site waits for approval unless it only removes or restricts something. Changes
    of wrap-up codes and emergency words, which only staff see, take effect at once.
    """
    require(by, "set_up")
    with transaction.atomic():
        if isinstance(subject, InternalRecord):
            _store(by, subject, fields)
            transaction.on_commit(forget_rules)
            return None
        if isinstance(subject, Site):
            return _create_site(by, subject) if subject._state.adding else _change_site(by, subject, fields)
        return _save_part(by, subject, fields)


def switch_site_on(*, by: Staff, site: Site) -> ApprovalRequest:
    """Request that a site be switched on; the request shows the whole site with its parts. Raises NotFound."""
    require(by, "set_up")
    with transaction.atomic():
        stored = SITE_KIND.stored(str(site.pk))
        if stored is None:
            raise NotFound
        record_author(SITE, str(site.pk), by)
        proposal = approvals.RequestDraft(
            str(site.pk), str(stored), {"is_active": stored.is_active}, full_site_content(stored)
        )
        return approvals.request_approval(by=by, kind=SITE, proposal=proposal)


def _create_site(by: Staff, site: Site) -> ApprovalRequest | None:
    is_wanted, site.is_active = site.is_active, False
    write_setup(by, site, [])
    record_author(SITE, str(site.pk), by)
    return switch_site_on(by=by, site=site) if is_wanted else None


def _change_site(by: Staff, site: Site, fields: Sequence[str]) -> ApprovalRequest | None:
    stored = SITE_KIND.stored(str(site.pk))
    changed = changed_fields(stored, site, fields)
    if stored.is_active:
        direct = [name for name in changed if _is_reduction(name, stored, site)]
    else:
        direct = [name for name in changed if name != "is_active"]
    if direct:
        write_setup(by, site, direct)
    if not stored.is_active:
        return _renew_switch_on(by, site, is_changed=bool(direct), is_wanted="is_active" in changed)
    waiting = [name for name in changed if name not in direct]
    return SITE_KIND.request(by=by, stored=stored, record=site, fields=waiting) if waiting else None


def _is_reduction(name: str, stored: Site, site: Site) -> bool:
    """Return whether the new value of this field gives customers nothing that they did not have before."""
    match name:
        case "is_active" | "attachments" | "suggests_answers":
            return not getattr(site, name)
        case "requires_nonce":
            return site.requires_nonce
        case "allowed_origins":
            return set(site.origins) <= set(stored.origins)
        case "attachment_types":
            return set(site.attachment_types or FILE_TYPES) <= set(stored.attachment_types or FILE_TYPES)
        case "attachment_megabytes":
            return site.attachment_megabytes < stored.attachment_megabytes
        case _:
            # A change of the department needs no approval: customers do not see which department receives conversations
            # without a subject.
            return name == "department"


def _renew_switch_on(by: Staff, site: Site, *, is_changed: bool, is_wanted: bool) -> ApprovalRequest | None:
    """Renew the pending request to switch on a changed site, so that the request shows the change.

    If `is_wanted`, a request is made even if none is pending. Return the request, or None.
    """
    if is_changed:
        record_author(SITE, str(site.pk), by)
    waiting = approvals.waiting_request(SITE, str(site.pk))
    if is_wanted or (is_changed and waiting is not None and is_switch_on(waiting)):
        return switch_site_on(by=by, site=site)
    return None


def _save_part(by: Staff, part: SitePart, fields: Sequence[str]) -> ApprovalRequest | None:
    site = SITE_KIND.stored(str(part.site_id))
    if site is None:
        raise NotFound
    if not site.is_active:
        is_changed = _store(by, part, fields)
        return _renew_switch_on(by, site, is_changed=is_changed, is_wanted=False)
    kind = _kind_of(part)
    if part._state.adding:
        return kind.request(by=by, stored=None, record=part, fields=kind.fields)
    stored = kind.stored(str(part.pk))
    if stored is None:
        raise NotFound
    changed = changed_fields(stored, part, fields)
    return kind.request(by=by, stored=stored, record=part, fields=changed) if changed else None


def _store(by: Staff, subject: SetupRecord, fields: Sequence[str]) -> bool:
    """Store a new object, or the changed fields of an existing one, without approval. Returns whether it wrote
    anything."""
    if subject._state.adding:
        write_setup(by, subject, [])
        return True
    stored = type(subject)._default_manager.select_for_update(of=("self",)).get(pk=subject.pk)
    changed = changed_fields(stored, subject, fields)
    if changed:
        write_setup(by, subject, changed)
    return bool(changed)


def _kind_of(part: SitePart) -> RecordKind:
    if isinstance(part, FormField):
        return FORM_FIELDS
    return QUICK_TOPICS if isinstance(part, QuickTopic) else BUSINESS_TEXTS


def remove_emergency_rule(*, by: Staff, rule: EmergencyRule) -> None:
    """Remove an emergency word at once."""
    require(by, "set_up")
    with transaction.atomic():
        audit.record(by, "setup.removed", rule, kind="emergencyrule", id=rule.pk)
        rule.delete()
        transaction.on_commit(forget_rules)


def remove_setup(*, by: Staff, subject: SitePart) -> None:
    """Remove a part of a site at once. Does nothing if the part does not exist. Raises BadRequest for any other
    object."""
    require(by, "set_up")
    if not isinstance(subject, FormField | QuickTopic | BusinessText):
        raise BadRequest
    with transaction.atomic():
        site = SITE_KIND.stored(str(subject.site_id))
        pk = subject.pk
        removed, _ = type(subject).objects.filter(pk=pk).delete()
        if not removed:
            return
        audit.record(by, "setup.removed", audited_object_of(subject), kind=subject._meta.model_name, id=pk)
        withdrawn = ApprovalRequest.State.WITHDRAWN
        approvals.cancel(by=by, kind=_kind_of(subject).name, subject=str(pk), state=withdrawn)
        if site is not None and not site.is_active:
            _renew_switch_on(by, site, is_changed=True, is_wanted=False)


def renew_secret(*, by: Staff, site: Site) -> None:
    """Replace the identity secret of a site. Tokens signed with the former secret are refused from now on.

    The caller shows the new secret to `by` only once.
    """
    require(by, "set_up")
    with transaction.atomic():
        site.identity_secret = new_secret()
        site.save(update_fields=["identity_secret"])
        audit.record(by, "site.secret_renewed", site)
