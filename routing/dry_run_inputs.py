"""The contacts and the agents of a dry run: from the records of a period, or from a file."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access import CAPABILITIES
from accounts.models import AuditEntry, Department, PresenceStatus, Skill, Staff
from chat.models import Conversation
from chat.queue_order import URGENT
from chat.selectors import departments_of
from knowledge.import_export.cells import CellProblem, UnreadableFile
from knowledge.import_export.sheets import Column, SheetFile, TableRow, cell_bool, cell_text, parse_table
from routing.dry_run import AFTERWARDS, Colleague, Contact

MAX_CONTACTS = 2000
COLUMNS = (
    Column("time", gettext_lazy("time")),
    Column("department", gettext_lazy("department")),
    Column("language", gettext_lazy("language")),
    Column("emergency", gettext_lazy("emergency")),
)
# A presence that began longer ago counts as over: nobody works longer without a change.
LONGEST_SHIFT = timedelta(hours=14)


def contacts_between(start: datetime, end: datetime) -> list[Contact]:
    """Return the conversations that started in this period, at most MAX_CONTACTS. Two queries."""
    columns = ("started_at", "department_id", "skill_id", "language", "emergency")
    started = Conversation.objects.filter(started_at__gte=start, started_at__lt=end).order_by("started_at")
    languages = _languages()
    return [
        Contact(
            at, department, frozenset(filter(None, (skill, languages.get(language)))), emergency in URGENT
        )
        for at, department, skill, language, emergency in started.values_list(*columns)[:MAX_CONTACTS]
    ]


def contacts_in(data: bytes) -> tuple[list[Contact], list[str]]:
    """Return the contacts in a CSV or XLSX file, and its problems. With a problem, there are no contacts. Two queries.

    Departments are named by their codes. Times without a zone are in LIANXIN_TIME_ZONE.
    """
    try:
        table = parse_table(SheetFile().create_dataset(data), COLUMNS, ("time", "department"))
    except UnreadableFile as error:
        return [], [str(error)]
    problems = list(table.problems)
    if len(table.rows) > MAX_CONTACTS:
        problems.append(_("A file can have at most %(count)d rows.") % {"count": MAX_CONTACTS})
    if problems:
        return [], problems
    departments, languages = dict(Department.objects.values_list("code", "pk")), _languages()
    contacts = []
    for row in table.rows:
        try:
            contacts.append(_contact(row, departments, languages))
        except CellProblem as problem:
            problems.append(_("Row %(row)d: %(problem)s") % {"row": row.number, "problem": problem})
    return ([], problems) if problems else (contacts, [])


def _contact(row: TableRow, departments: Mapping[str, int], languages: Mapping[str, int]) -> Contact:
    code = cell_text(row.cells["department"]).strip()
    if code not in departments:
        raise CellProblem(_("There is no department with the code “%(code)s”.") % {"code": code[:30]})
    language = languages.get(cell_text(row.cells.get("language")).strip())
    return Contact(
        _time(row.cells["time"]),
        departments[code],
        frozenset(filter(None, (language,))),
        cell_bool(row.cells.get("emergency")),
    )


def _time(cell: Any) -> datetime:
    at = cell if isinstance(cell, datetime) else None
    if at is None:
        text = cell_text(cell).strip()
        try:
            at = parse_datetime(text.replace("/", "-"))
        except ValueError:
            at = None
        if at is None:
            words = _("“%(text)s” is not a time. Write it like this: 2026-01-31 09:30")
            raise CellProblem(words % {"text": text[:30]})
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _languages() -> dict[str, int]:
    return dict(Skill.objects.exclude(language="").values_list("language", "pk"))


def colleagues_always_online(contacts: Iterable[Contact]) -> list[Colleague]:
    """Return all agents, online from the first of these contacts until long after the last one. Five queries."""
    times = [contact.at for contact in contacts]
    period = (min(times), max(times) + 2 * AFTERWARDS) if times else (timezone.now(), timezone.now())
    return [replace(colleague, online=(period,)) for colleague in _colleagues()]


def colleagues_between(start: datetime, end: datetime) -> list[Colleague]:
    """Return all agents, online when the audit trail says that they were, in this period. Six queries.

    Whoever is online at the end of the period stays online afterwards, so that the last contacts find them.
    """
    changes = AuditEntry.objects.filter(
        verb="presence.changed", at__gte=start - LONGEST_SHIFT, at__lt=end
    ).order_by("at", "pk")
    periods: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    online_since: dict[str, datetime] = {}
    for staff, at, detail in changes.values_list("object_id", "at", "detail"):
        since = online_since.pop(staff, None)
        if since is not None:
            periods[staff].append((since, at))
        if detail.get("status") == PresenceStatus.ONLINE:
            online_since[staff] = at
    for staff, since in online_since.items():
        periods[staff].append((since, end + 2 * AFTERWARDS))
    return [replace(colleague, online=periods.get(str(colleague.id), ())) for colleague in _colleagues()]


def _colleagues() -> list[Colleague]:
    """Return the active staff members who answer customers, with departments and skills as they are now."""
    people = list(
        Staff.objects.filter(is_active=True, role__in=CAPABILITIES["answer"]).prefetch_related(
            "departments", "skills"
        )
    )
    takeable = departments_of(people)
    colleagues = []
    for person in people:
        own = {department.pk for department in person.departments.all()}
        colleagues.append(
            Colleague(
                id=person.pk,
                number=person.number,
                name=person.name,
                capacity=person.capacity,
                departments=frozenset(own & set(takeable[person.pk])),
                skills={skill.skill_id: skill.level for skill in person.skills.all()},
                restricted=frozenset(own - set(takeable[person.pk])),
            )
        )
    return colleagues
