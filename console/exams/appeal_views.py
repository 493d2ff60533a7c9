"""Views for editors who set exams: the appeals of examinees."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.access import require
from chat.errors import BadRequest
from console.exams.question_display import answer_lines
from console.gate import StaffRequest, knowledge_view
from exams import selectors
from exams.actions import appeals
from exams.models import Appeal

APPEALS_PER_PAGE = 30


@require_GET
@never_cache
@knowledge_view
def appeal_list(request: StaffRequest) -> HttpResponse:
    require(request.user, "set_exams")
    exams_sat, questions_sat = selectors.sat_by(request.user)
    waiting = [
        {
            "appeal": appeal,
            "item": appeal.item,
            "given": answer_lines(appeal.item.kind, appeal.item.shown, appeal.item.given),
            "right": answer_lines(appeal.item.kind, appeal.item.shown, appeal.item.right),
            "is_own": appeal.item.paper.staff_id == request.user.pk,
            "has_sat": appeal.item.paper.exam_id in exams_sat or appeal.item.question_id in questions_sat,
        }
        for appeal in selectors.open_appeals()[:APPEALS_PER_PAGE]
    ]
    audit.record(request.user, "appeals.read", None, count=len(waiting))
    context = {"tab": "setting", "waiting": waiting, "remedies": Appeal.Remedy.choices}
    return render(request, "console/exams/appeals.html", context)


@require_POST
@knowledge_view
def appeal_decide(request: StaffRequest, pk: int) -> HttpResponse:
    verdict = request.POST.get("verdict", "")
    if verdict not in ("rejected", *Appeal.Remedy.values):
        raise BadRequest
    appeals.decide_appeal(
        by=request.user,
        appeal=pk,
        is_accepted=verdict != "rejected",
        remedy=verdict if verdict != "rejected" else Appeal.Remedy.SAME,
        words=request.POST.get("words", ""),
    )
    return redirect("console:exam_appeals")
