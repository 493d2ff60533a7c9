"""The kinds of approval that the knowledge app needs; `KnowledgeConfig` registers them."""

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts.approvals.digest import Fields
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.registry import Kind
from accounts.models import Staff
from knowledge.actions import approval_requests, files, phrasings, points
from knowledge.actions.branches import BRANCHES
from knowledge.approval_kinds import PHRASINGS, POINT_FILE, VERSION
from knowledge.content import FIELDS
from knowledge.models import Point, PointFile, Version

State = ApprovalRequest.State
LABELS = {
    "phrasings": _("phrasings"),
    "point": _("knowledge point"),
    "sha256": _("checksum (SHA-256)"),
}


class PointKind(Kind):
    """Base class for kinds of approval request that concern a knowledge point. The request's subject is the point's
    key."""

    right = "approve_points"

    def lock(self, subject: str) -> None:
        self.point(subject)

    def point(self, subject: str) -> Point | None:
        locked = Point.objects.select_for_update(of=("self",)).select_related("published")
        return locked.filter(key=subject).first()

    def label_of(self, field: str) -> str:
        options: Any = Version._meta
        label = LABELS.get(field) or options.get_field(field).verbose_name
        return capfirst(str(label))

    def address_of(self, request: ApprovalRequest) -> str:
        return reverse("console:point", args=[request.subject])


class VersionKind(PointKind):
    """A request to approve a version. If it makes the point public, the point's accepted phrasings are approved with
    it."""

    name: ClassVar[str] = VERSION
    label = _("content of a knowledge point")
    fields = FIELDS

    def current(self, request: ApprovalRequest) -> Fields:
        point = self.point(request.subject)
        return approval_requests.version_content(point)[0] if point is not None else {}

    def proposed(self, request: ApprovalRequest) -> Fields:
        point = self.point(request.subject)
        return approval_requests.version_content(point)[1] if point is not None else {}

    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        version = self._in_review(request.subject)
        assert version is not None
        points.accept(by=by, version=version)

    def drop(self, request: ApprovalRequest, by: Staff | None) -> None:
        version = self._in_review(request.subject)
        if version is not None:
            points.return_to_author(by=by, version=version, remark=request.reason)

    def _in_review(self, subject: str) -> Version | None:
        versions = Version.objects.select_related("point", "point__published")
        return versions.filter(point__key=subject, state=Version.State.REVIEW).first()


class PhrasingsKind(PointKind):
    """A request to approve new phrasings of a point that the widget suggests to visitors."""

    name: ClassVar[str] = PHRASINGS
    label = _("phrasings of a public knowledge point")

    def current(self, request: ApprovalRequest) -> Fields:
        point = self.point(request.subject)
        return approval_requests.phrasings_content(point)[0] if point is not None else {}

    def proposed(self, request: ApprovalRequest) -> Fields:
        point = self.point(request.subject)
        return approval_requests.phrasings_content(point)[1] if point is not None else {}

    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        point = self.point(request.subject)
        assert point is not None
        phrasings.accept_waiting(by=by, point=point)

    def drop(self, request: ApprovalRequest, by: Staff | None) -> None:
        point = self.point(request.subject)
        if point is not None:
            phrasings.put_back_waiting(point=point, is_rejected=request.state == State.REJECTED)


class PointFileKind(PointKind):
    """A request to approve a form or leaflet, so that agents can send it. The request's subject is the id of the stored
    file."""

    name: ClassVar[str] = POINT_FILE
    label = _("file of a knowledge point")

    def lock(self, subject: str) -> None:
        file = self._file(subject)
        if file is not None:
            Point.objects.select_for_update(of=("self",)).get(pk=file.point_id)

    def current(self, request: ApprovalRequest) -> Fields:
        return {}

    def proposed(self, request: ApprovalRequest) -> Fields:
        file = self._file(request.subject)
        return files.file_fields(file) if file is not None else {}

    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        file = self._file(request.subject)
        assert file is not None
        files.accept_file(by=by, file=file)

    def drop(self, request: ApprovalRequest, by: Staff | None) -> None:
        file = self._file(request.subject)
        if file is not None:
            files.delete_file(by=by, file=file)

    def label_of(self, field: str) -> str:
        options: Any = PointFile._meta
        label = LABELS.get(field) or options.get_field(field).verbose_name
        return capfirst(str(label))

    def address_of(self, request: ApprovalRequest) -> str:
        file = self._file(request.subject)
        return reverse("console:point", args=[file.point.key]) if file is not None else ""

    def attachment_of(self, request: ApprovalRequest) -> str:
        file = self._file(request.subject)
        return reverse("console:point_file", args=[file.pk]) if file is not None else ""

    def _file(self, subject: str) -> PointFile | None:
        return PointFile.objects.select_related("point").filter(pk=subject).first()


KINDS = (VersionKind(), PhrasingsKind(), PointFileKind(), BRANCHES)
