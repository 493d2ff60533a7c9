"""Every change of regions, categories and branches; what a search must see makes a new edition."""

from collections.abc import Sequence

from django.db import transaction

from accounts import audit
from accounts.access import require
from accounts.models import Staff
from knowledge.actions.editions import new_edition
from knowledge.models import Branch, Category, Region


def save_branch(*, by: Staff, branch: Branch, changed: Sequence[str]) -> Branch:
    """Stores a new branch or cash machine, or the `changed` fields of one."""
    require(by, "edit_points")
    with transaction.atomic():
        branch.edition = new_edition()
        if branch._state.adding:
            branch.save(force_insert=True)
            audit.record(by, "branch.created", branch, key=branch.key)
        elif changed:
            branch.save(update_fields=[*changed, "edition"])
            audit.record(by, "branch.changed", branch, fields=sorted(changed))
    return branch


BRANCH_FIELDS = tuple(
    field.name
    for field in Branch._meta.concrete_fields
    if field.name not in ("id", "key", "region", "edition")
)


def import_branches(*, by: Staff | None, given: Sequence[tuple[Branch, str]]) -> None:
    """Stores these branches, found by their key, each in the region of this name; all of them or none.

    A region that is missing is made. What says the same as before is left alone.
    """
    if by is not None:
        require(by, "edit_points")
    with transaction.atomic():
        regions = {region.name: region for region in Region.objects.all()}
        for name in dict.fromkeys(name for _branch, name in given):
            if name not in regions:
                regions[name] = Region.objects.create(name=name)
        stored = {branch.key: branch for branch in Branch.objects.select_for_update()}
        new, changed = [], []
        for branch, name in given:
            branch.region = regions[name]
            before = stored.get(branch.key)
            if before is None:
                new.append(branch)
            elif any(
                getattr(before, each) != getattr(branch, each) for each in (*BRANCH_FIELDS, "region_id")
            ):
                branch.pk = before.pk
                changed.append(branch)
        if not (new or changed):
            return
        edition = new_edition()
        for branch in new + changed:
            branch.edition = edition
        Branch.objects.bulk_create(new, batch_size=500)
        Branch.objects.bulk_update(changed, [*BRANCH_FIELDS, "region", "edition"], batch_size=500)
        audit.record(by, "branches.imported", None, new=len(new), changed=len(changed))


def save_part(*, by: Staff, part: Category | Region, changed: Sequence[str]) -> None:
    """Stores a new category or region, or the `changed` fields of one."""
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
    """The category at this path (`银行卡/挂失与补卡`), made where it is missing; in the caller's transaction."""
    found: Category | None = None
    for name in (part.strip() for part in path.split("/")):
        if name:
            found, _is_new = Category.objects.get_or_create(parent=found, name=name[:60])
    if found is None:
        found, _is_new = Category.objects.get_or_create(parent=None, name="—")
    return found
