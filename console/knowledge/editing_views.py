"""Views that create and edit knowledge points and their files. A refused form comes back as it was sent."""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from chat.errors import BadRequest, Refusal
from chat.languages import language_of
from chat.widget.attachment_views import file_response
from console.gate import StaffRequest, open_to, status_of
from console.knowledge.forms import PointForm, initial_values
from knowledge import access
from knowledge.actions import files
from knowledge.actions.editing import begin_point, edit_token, revise_point
from knowledge.errors import DraftChanged, PointIncomplete
from knowledge.models import Phrasing, Point, UnansweredQuestion, Version
from knowledge.selectors_pages import changes_between


@require_GET
@never_cache
@open_to("edit_points")
def new_point_form(request: StaffRequest) -> HttpResponse:
    """Show the form of a new point. `gap` in the query is the id of an unanswered question that fills it in."""
    initial: dict[str, Any] = {"language": language_of(get_language() or "zh"), "owner": request.user.pk}
    number = request.GET.get("gap", "")
    unanswered = (
        UnansweredQuestion.objects.filter(pk=int(number)).first()
        if number.isdecimal() and len(number) < 18
        else None
    )
    if unanswered is not None:
        questions = dict.fromkeys(unanswered.questions.values_list("text", flat=True)[:40])
        initial |= {
            "gap": unanswered.pk,
            "title": unanswered.text[:120],
            "language": unanswered.language,
            "phrasings": "\n".join(questions),
        }
    return _form(request, PointForm(initial=initial))


@require_POST
@open_to("edit_points")
def create(request: StaffRequest) -> HttpResponse:
    form = PointForm(request.POST)
    if not form.is_valid():
        return _form(request, form, status=422)
    data = form.cleaned_data
    try:
        with transaction.atomic():
            version = begin_point(
                by=request.user,
                key=data["key"],
                language=data["language"],
                owner=data["owner"],
                content=form.content(),
                phrasings=form.phrasing_lines(),
                gap=data["gap"],
                is_ready="submit" in request.POST,
            )
    except Refusal as refusal:
        return _refused(request, form, refusal)
    return redirect(saved_address(version.point.key, version.number))


@require_GET
@never_cache
@open_to("edit_points")
def edit_form(request: StaffRequest, key: str) -> HttpResponse:
    point = access.point_for(request.user, key)
    version = _latest_version(request, point)
    form = PointForm(point=point, initial=initial_values(point, version) | {"seen": edit_token(point)})
    return _form(request, form, point)


@require_POST
@open_to("edit_points")
def save(request: StaffRequest, key: str) -> HttpResponse:
    point = access.point_for(request.user, key)
    form = PointForm(request.POST, point=point)
    if not form.is_valid():
        return _form(request, form, point, status=422)
    try:
        with transaction.atomic():
            revise_point(
                by=request.user,
                point=point.pk,
                seen=form.cleaned_data["seen"],
                content=form.content(),
                phrasings=form.phrasing_lines(),
                owner=form.cleaned_data["owner"],
                is_ready="submit" in request.POST,
            )
    except Refusal as refusal:
        return _refused(request, form, refusal, point)
    number = _latest_version(request, point).number
    return redirect(saved_address(key, number))


def saved_address(key: str, number: int) -> str:
    """Return the address of the point's page; its `#saved` tells the browser to discard its copy of the form."""
    return f"{reverse('console:point', args=[key])}?version={number}#saved"


def _latest_version(request: StaffRequest, point: Point) -> Version:
    """Return the newest version: the unpublished one, or the last one published."""
    newest = point.versions.order_by("-number").values_list("number", flat=True).first()
    return access.version_for(request.user, point, newest)


def _refused(
    request: StaffRequest, form: PointForm, refusal: Refusal, point: Point | None = None
) -> HttpResponse:
    context: dict[str, Any] = {}
    if isinstance(refusal, PointIncomplete):
        for name, problems in refusal.problems.items():
            for problem in problems:
                form.add_error(name if name in form.fields else None, problem)
    elif isinstance(refusal, DraftChanged) and point is not None:
        context = _both_texts(request, form, point)
    else:
        form.add_error("key" if refusal.code == "key_taken" else None, str(refusal.text))
    return _form(request, form, point, status=status_of(refusal), **context)


def _both_texts(request: StaffRequest, form: PointForm, point: Point) -> dict[str, Any]:
    """Return the other editor's version and how the sent form differs from it; the next save overwrites it."""
    theirs = _latest_version(request, point)
    with transaction.atomic():
        mine = Version(point=point, number=theirs.number, **form.content().values())
        changes = changes_between(theirs, mine)
        # Comparing must not create a new category that the form names.
        transaction.set_rollback(True)
    data = request.POST.copy()
    data["seen"] = edit_token(point)
    form.data = data
    return {"theirs": theirs, "changes": changes}


def _form(
    request: StaffRequest, form: PointForm, point: Point | None = None, status: int = 200, **context: Any
) -> HttpResponse:
    context |= {
        "form": form,
        "point": point,
        "suggested_count": point.phrasings.filter(state=Phrasing.State.SUGGESTED).count() if point else 0,
    }
    return render(request, "console/knowledge/edit.html", context, status=status)


# -- Files -----------------------------------------------------------------------------------------------------------


@require_POST
@open_to("edit_points")
def attach(request: StaffRequest, key: str) -> HttpResponse:
    point = access.point_for(request.user, key)
    upload = request.FILES.get("file")
    if not isinstance(upload, UploadedFile):
        raise BadRequest
    try:
        files.attach_file(by=request.user, point=point.pk, upload=upload)
    except Refusal as refusal:
        return render(
            request,
            "console/refused.html",
            {"refusal": refusal, "back": point.key},
            status=status_of(refusal),
        )
    return redirect("console:point", key)


@require_POST
@open_to("edit_points")
def remove_file(request: StaffRequest, pk: int) -> HttpResponse:
    file = access.file_for(request.user, pk)
    files.remove_file(by=request.user, file=pk)
    return redirect("console:point", file.point.key)


@require_GET
@never_cache
@open_to("use_knowledge")
def file(request: StaffRequest, pk: int) -> HttpResponse:
    return file_response(access.file_for(request.user, pk))  # type: ignore[return-value]
