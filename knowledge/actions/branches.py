"""All changes to regions, categories and branches. A change that affects the search makes a new edition."""

from collections.abc import Sequence

from django.db import transaction

from accounts import audit
from accounts.access import require
from accounts.approvals.actions import request_many
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.records import RecordKind, changed_fields
from accounts.models import Staff
from knowledge.actions.editions import new_edition
from knowledge.approval_kinds import BRANCH
from knowledge.models import Branch, Category, Region

BRANCH_FIELDS = tuple(
    field.name
    for field in Branch._meta.concrete_fields
    if field.name not in ("id", "key", "region", "edition")
)


# The fields of a new branch.
NEW_FIELDS = ("key", "region", *BRANCH_FIELDS)


def write_branch(by: Staff | None, branch: Branch, fields: Sequence[str]) -> None:
    """Store a new branch, or these fields of an existing one. Make a new edition so that searches see the change."""
    branch.edition = new_edition()
    if branch._state.adding:
        branch.save(force_insert=True)
        audit.record(by, "branch.created", branch, key=branch.key)
    else:
        branch.save(update_fields=[*fields, "edition"])
        audit.record(by, "branch.changed", branch, fields=sorted(fields))


BRANCHES = RecordKind(BRANCH, Branch, NEW_FIELDS, right="approve_points", write=write_branch, key_field="key")


def save_branch(*, by: Staff | None, branch: Branch, changed: Sequence[str]) -> ApprovalRequest | None:
    """Store the `changed` fields of a branch or cash machine. Returns the approval request, if one is needed.

    A new branch needs approval as a whole. Deactivating a branch and changing its duty contact, which only staff see,
    take effect at once. If `by` is None, a server command makes the change, and everything takes effect at once.
    """
    if by is None:
        with transaction.atomic():
            write_branch(None, branch, changed)
        return None
    require(by, "edit_points")
    with transaction.atomic():
        stored = BRANCHES.stored(branch.key)
        if stored is None:
            return BRANCHES.request(by=by, stored=None, record=branch, fields=NEW_FIELDS)
        immediate, waiting = _split(stored, branch, changed_fields(stored, branch, changed))
        if immediate:
            write_branch(by, branch, immediate)
        if not waiting:
            return None
        return BRANCHES.request(by=by, stored=stored, record=branch, fields=waiting)


def _split(stored: Branch, branch: Branch, fields: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the fields into those that take effect at once and those that need approval by a second person."""
    immediate = [
        name for name in fields if name == "duty_contact" or (name == "is_active" and not branch.is_active)
    ]
    return immediate, [name for name in fields if name not in immediate]


def import_branches(*, by: Staff | None, given: Sequence[tuple[Branch, str]]) -> None:
    """Store new and changed branches in one transaction. `given` holds pairs of a branch and the name of its region.

    Stored branches are found by their key. Missing regions are created and unchanged branches are left alone. A
    person's import needs approval by a second person, as in `save_branch`; a server command's import (`by` None) takes
    effect at once.
    """
    if by is not None:
        require(by, "edit_points")
    with transaction.atomic():
        regions = {region.name: region for region in Region.objects.all()}
        for name in dict.fromkeys(name for _branch, name in given):
            if name not in regions:
                regions[name] = Region.objects.create(name=name)
        stored = {
            branch.key: branch
            for branch in Branch.objects.select_for_update(of=("self",))
            .select_related("region")
            .order_by("pk")
        }
        new, changed = [], []
        for branch, name in given:
            branch.region = regions[name]
            before = stored.get(branch.key)
            if before is None:
                new.append(branch)
            elif any(
                getattr(before, field) != getattr(branch, field) for field in (*BRANCH_FIELDS, "region_id")
            ):
                branch.pk = before.pk
                changed.append(branch)
        if not (new or changed):
            return
        audit.record(by, "branches.imported", None, new=len(new), changed=len(changed))
        if by is not None:
            _request_imported(by, new, changed, stored)
            return
        edition = new_edition()
        for branch in new + changed:
            branch.edition = edition
        Branch.objects.bulk_create(new, batch_size=500)
        Branch.objects.bulk_update(changed, [*BRANCH_FIELDS, "region", "edition"], batch_size=500)


def _request_imported(
    by: Staff, new: Sequence[Branch], changed: Sequence[Branch], stored: dict[str, Branch]
) -> None:
    proposals = [BRANCHES.proposal(str(branch), branch.key, None, branch, NEW_FIELDS) for branch in new]
    for branch in changed:
        before = stored[branch.key]
        differing = changed_fields(before, branch, ("region", *BRANCH_FIELDS))
        immediate, waiting = _split(before, branch, differing)
        if immediate:
            for name in immediate:
                setattr(before, name, getattr(branch, name))
            write_branch(by, before, immediate)
        if waiting:
            proposals.append(BRANCHES.proposal(str(branch), branch.key, before, branch, waiting))
    request_many(by=by, kind=BRANCH, proposals=proposals)


def save_region_or_category(*, by: Staff, part: Category | Region, changed: Sequence[str]) -> None:
    """Store a new category or region, or the `changed` fields of an existing one."""
    require(by, "edit_points")
    with transaction.atomic():
        if part._state.adding:
            part.save(force_insert=True)
        elif changed:
            part.save(update_fields=changed)
        else:
            return
        audit.record(by, "knowledge.set_up", part, kind=part._meta.model_name, fields=sorted(changed))


def category_at(path: str) -> Category:
    """Return the category at a path such as `银行卡/挂失与补卡`. Missing categories are created.

    An empty path stands for the category "—". Runs in the caller's transaction.
    """
    category: Category | None = None
    for name in (part.strip() for part in path.split("/")):
        if name:
            category, _is_new = Category.objects.get_or_create(parent=category, name=name[:60])
    if category is None:
        category, _is_new = Category.objects.get_or_create(parent=None, name="—")
    return category
