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
