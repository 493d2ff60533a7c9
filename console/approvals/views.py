"""Views of approval requests: the lists, the page of one request, and the page of several requests."""

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
from console.gate import NoRight, StaffRequest, open_to
from core.refusals import Refusal

# The capabilities to approve something, or to write something that needs approval. Any one of them gives access to
# these pages.
RIGHTS = ("approve_points", "approve_set_up", "edit_points", "edit_shared_replies", "set_up")
REQUESTS_PER_PAGE = 50
# The maximum number of requests on one review page, because each is shown in full.
MAX_REVIEWED = 50


@require_GET
@never_cache
@open_to(*RIGHTS)
def approvals(request: StaffRequest) -> HttpResponse:
    """Show three lists: requests that the reader may approve, the reader's own requests, and recent decisions."""
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
    """Render the page of an approval request. After a refused POST, the page shows the refusal and the reason that was
    typed."""
    comparison = comparison_of(selectors.request_for(request.user, uuid), request.user)
    context = {"comparison": comparison, "refusal": refusal, "reason": reason}
    status = refusal.http_status if refusal else 200
    return render(request, "console/approvals/request.html", context, status=status)


@require_GET
@never_cache
@open_to(*RIGHTS)
def review(request: StaffRequest) -> HttpResponse:
    """Show several approval requests on one page, with all changes in full.

    The query parameter `id` is repeated for each request.
    """
    ids = list(dict.fromkeys(request.GET.getlist("id")))
    comparisons = [
        comparison for text in ids[:MAX_REVIEWED] if (comparison := _comparison(request, text)) is not None
    ]
    context = {
        "comparisons": comparisons,
        "approvable": sum(comparison.may_approve for comparison in comparisons),
        "left_out": max(0, len(ids) - MAX_REVIEWED),
    }
    return render(request, "console/approvals/review.html", context)


def _comparison(request: StaffRequest, text: str) -> ApprovalComparison | None:
    try:
        return comparison_of(selectors.request_for(request.user, UUID(text)), request.user)
    except (ValueError, RequestNotFound):
        return None


@require_POST
@never_cache
@open_to(*RIGHTS)
def approve_several(request: StaffRequest) -> HttpResponse:
    """Approve several requests independently of each other, and show the outcome of each.

    The form has a field `request` for each approval request. The field contains the id of the request and the digest of
    the content that the page showed.
    """
    outcomes: list[tuple[Any, str]] = []
    for pair in request.POST.getlist("request")[:MAX_REVIEWED]:
        text, _colon, digest = pair.partition(":")
        try:
            uuid = UUID(text)
            approval_request = selectors.request_for(request.user, uuid)
        except (ValueError, RequestNotFound):
            outcomes.append((None, str(RequestNotFound.text)))
            continue
        try:
            actions.approve(by=request.user, uuid=uuid, digest=digest)
            outcomes.append((approval_request, ""))
        except Refusal as refusal:
            outcomes.append((approval_request, str(refusal.text)))
        except PermissionDenied:
            outcomes.append((approval_request, str(NoRight.text)))
    context = {"outcomes": outcomes, "approved": sum(not refusal_text for _request, refusal_text in outcomes)}
    return render(request, "console/approvals/outcomes.html", context)


@require_POST
@open_to(*RIGHTS)
def approve(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Approve a request with the content that the page showed.

    The form field `digest` identifies that content. If the content has changed since, the approval is refused.
    """
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
