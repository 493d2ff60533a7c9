"""What waits for approval: the lists, each request with every difference, and several at once."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.approvals import actions, selectors
from accounts.approvals.errors import RequestNotFound
from console.approvals.comparison import ApprovalComparison, comparison_of, rows_of
from console.gate import NoRight, StaffRequest, open_to, status_of
from core.refusals import Refusal

# Whoever approves something, or writes something that has to be approved.
RIGHTS = ("approve_points", "approve_set_up", "edit_points", "edit_shared_replies", "set_up")
REQUESTS_PER_PAGE = 50
# Requests on one page of several: each is shown in full.
MAX_REVIEWED = 50


@require_GET
@never_cache
@open_to(*RIGHTS)
def approvals(request: StaffRequest) -> HttpResponse:
    """What waits for me, what I have written, and what was decided lately."""
    page = Paginator(selectors.approvable_by(request.user), REQUESTS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    mine = selectors.written_by(request.user)
    context = {
        "page": page,
        "for_me": rows_of(page.object_list),
        "mine": rows_of(mine[:REQUESTS_PER_PAGE]),
        "decided": rows_of(selectors.recently_decided(request.user)),
        "at_once": MAX_REVIEWED,
    }
    return render(request, "console/approvals/list.html", context)


@require_GET
@never_cache
@open_to(*RIGHTS)
def approval(request: StaffRequest, uuid: UUID) -> HttpResponse:
    return _page(request, uuid)


def _page(
    request: StaffRequest, uuid: UUID, refusal: Refusal | None = None, reason: str = ""
) -> HttpResponse:
    """The page of a request, with why something was refused and what was typed then."""
    sheet = comparison_of(selectors.request_for(request.user, uuid), request.user)
    context = {"sheet": sheet, "refusal": refusal, "reason": reason}
    status = status_of(refusal) if refusal else 200
    return render(request, "console/approvals/request.html", context, status=status)


@require_GET
@never_cache
@open_to(*RIGHTS)
def review(request: StaffRequest) -> HttpResponse:
    """Several requests, each with every difference in full. `id` in the query names each of them."""
    wanted = list(dict.fromkeys(request.GET.getlist("id")))
    sheets = [sheet for text in wanted[:MAX_REVIEWED] if (sheet := _sheet(request, text)) is not None]
    context = {
        "sheets": sheets,
        "approvable": sum(sheet.may_approve for sheet in sheets),
        "left_out": max(0, len(wanted) - MAX_REVIEWED),
    }
    return render(request, "console/approvals/review.html", context)


def _sheet(request: StaffRequest, text: str) -> ApprovalComparison | None:
    try:
        return comparison_of(selectors.request_for(request.user, UUID(text)), request.user)
    except (ValueError, RequestNotFound):
        return None


@require_POST
@never_cache
@open_to(*RIGHTS)
def approve_several(request: StaffRequest) -> HttpResponse:
    """`request` in the form, for each: its id and the digest of what the page showed. Each stands for itself."""
    outcomes: list[tuple[Any, str]] = []
    for pair in request.POST.getlist("request")[:MAX_REVIEWED]:
        text, _colon, digest = pair.partition(":")
        try:
            uuid = UUID(text)
            found = selectors.request_for(request.user, uuid)
        except (ValueError, RequestNotFound):
            outcomes.append((None, str(RequestNotFound.words)))
            continue
        try:
            actions.approve(by=request.user, uuid=uuid, digest=digest)
            outcomes.append((found, ""))
        except Refusal as refusal:
            outcomes.append((found, str(refusal.words)))
        except PermissionDenied:
            outcomes.append((found, str(NoRight.words)))
    context = {"outcomes": outcomes, "approved": sum(not words for _found, words in outcomes)}
    return render(request, "console/approvals/outcomes.html", context)


@require_POST
@open_to(*RIGHTS)
def approve(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """`digest` in the form: of what the page showed. Other content is refused."""
    selectors.request_for(request.user, uuid)
    try:
        actions.approve(by=request.user, uuid=uuid, digest=request.POST.get("digest", ""))
    except Refusal as refusal:
        return _page(request, uuid, refusal)
    return redirect("console:approval", uuid)


@require_POST
@open_to(*RIGHTS)
def reject(request: StaffRequest, uuid: UUID) -> HttpResponse:
    selectors.request_for(request.user, uuid)
    reason = request.POST.get("reason", "")
    try:
        actions.reject(by=request.user, uuid=uuid, reason=reason)
    except Refusal as refusal:
        return _page(request, uuid, refusal, reason)
    return redirect("console:approval", uuid)


@require_POST
@open_to(*RIGHTS)
def withdraw(request: StaffRequest, uuid: UUID) -> HttpResponse:
    selectors.request_for(request.user, uuid)
    try:
        actions.withdraw(by=request.user, uuid=uuid)
    except Refusal as refusal:
        return _page(request, uuid, refusal)
    return redirect("console:approvals")
