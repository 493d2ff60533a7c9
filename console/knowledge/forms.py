"""Forms of the knowledge pages. They check only the format of the data; actions decide what is allowed."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access import CAPABILITIES, may
from accounts.models import Department, Staff
from chat.models.texts import LANGUAGES
from chat.protocol import MAX_BODY_CHARACTERS
from knowledge.actions.branches import category_at
from knowledge.actions.phrasings import kept_phrasings
from knowledge.content import Content
from knowledge.models import Branch, Category, Point, Region, Version
from knowledge.selectors import category_paths
from knowledge.selectors_pages import STATES, PointFilter


def _day() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


def _editors() -> models.QuerySet[Staff]:
    return Staff.objects.filter(role__in=CAPABILITIES["edit_points"], is_active=True)


class PointsForm(forms.Form):
    """The filters for the list of knowledge points."""

    q = forms.CharField(label=gettext_lazy("Keywords"), required=False, max_length=100)
    state = forms.ChoiceField(label=gettext_lazy("State"), required=False)
    category = forms.TypedChoiceField(
        label=gettext_lazy("Category"), required=False, coerce=int, empty_value=None
    )
    department = forms.ModelChoiceField(
        Department.objects.filter(is_active=True),
        label=gettext_lazy("Department"),
        required=False,
        empty_label=gettext_lazy("all"),
    )
    owner = forms.ModelChoiceField(
        Staff.objects.none(), label=gettext_lazy("Owner"), required=False, empty_label=gettext_lazy("all")
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), required=False, choices=[("", gettext_lazy("all")), *LANGUAGES]
    )
    page = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        paths = sorted((path, pk) for pk, path in category_paths().items())
        self._choose("category", [("", _("all")), *[(str(pk), path) for path, pk in paths]])
        if may(staff, "edit_points"):
            self._choose("state", [("", _("all")), *[(value, str(label)) for value, label in STATES]])
            owner = self.fields["owner"]
            assert isinstance(owner, forms.ModelChoiceField)
            owner.queryset = _editors()
        else:
            del self.fields["state"], self.fields["owner"]

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    def wanted(self) -> PointFilter:
        chosen = self.cleaned_data
        return PointFilter(
            words=chosen["q"].strip(),
            state=chosen.get("state") or "",
            category=chosen["category"],
            department=chosen["department"].pk if chosen["department"] else None,
            owner=chosen["owner"].pk if chosen.get("owner") else None,
            language=chosen["language"],
        )


class PointForm(forms.Form):
    """The form of a knowledge point. `seen` identifies the state of the point from which the editor started
    (`edit_token`)."""

    key = forms.SlugField(
        label=gettext_lazy("Key"),
        max_length=60,
        help_text=gettext_lazy(
            "Letters, digits and hyphens. The key identifies the knowledge point in imports and can't be "
            "changed later."
        ),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES)
    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=120,
        help_text=gettext_lazy("The question as customers ask it most often."),
    )
    answer = forms.CharField(
        label=gettext_lazy("Answer"),
        max_length=MAX_BODY_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 9}),
        help_text=gettext_lazy("The text that the customer receives."),
    )
    note = forms.CharField(
        label=gettext_lazy("Note for staff"),
        required=False,
        max_length=MAX_BODY_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("Customers never see this note."),
    )
    phrasings = forms.CharField(
        label=gettext_lazy("Phrasings"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=gettext_lazy(
            "Other ways in which customers ask this question, one per line. They are used only to find "
            "the knowledge point."
        ),
    )
    category = forms.CharField(
        label=gettext_lazy("Category"),
        max_length=300,
        widget=forms.TextInput(attrs={"list": "categories", "autocomplete": "off"}),
        help_text=gettext_lazy("The path in the category tree, for example Cards/Loss."),
    )
    is_new_category = forms.BooleanField(label=gettext_lazy("This is a new category"), required=False)
    department = forms.ModelChoiceField(
        Department.objects.filter(is_active=True),
        label=gettext_lazy("Department"),
        required=False,
        empty_label="–",
        help_text=gettext_lazy("The department that is responsible for this knowledge point."),
    )
    owner = forms.ModelChoiceField(
        Staff.objects.none(),
        label=gettext_lazy("Owner"),
        required=False,
        empty_label="–",
        help_text=gettext_lazy("Gets a warning before the knowledge point expires."),
    )
    region = forms.ModelChoiceField(
        Region.objects.all(),
        label=gettext_lazy("Region"),
        required=False,
        empty_label=gettext_lazy("everywhere"),
    )
    branch = forms.ModelChoiceField(
        Branch.objects.filter(is_active=True),
        label=gettext_lazy("Branch"),
        required=False,
        empty_label=gettext_lazy("every branch"),
    )
    valid_from = forms.DateField(label=gettext_lazy("Valid from"), required=False, widget=_day())
    valid_until = forms.DateField(
        label=gettext_lazy("Valid until"),
        required=False,
        widget=_day(),
        help_text=gettext_lazy("The last day on which the knowledge point is valid."),
    )
    links = forms.CharField(
        label=gettext_lazy("Links"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("One per line: link text | https://address"),
    )
    is_public = forms.BooleanField(
        label=gettext_lazy("Public: the widget may suggest this answer while a customer waits for an agent"),
        required=False,
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    gap = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, point: Point | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ModelChoiceField)
        # Offer the current owner, too: an owner who is no longer an editor stays the owner until somebody else is
        # chosen.
        owner.queryset = _editors()
        if point is not None and point.owner_id is not None:
            owner.queryset = owner.queryset | Staff.objects.filter(pk=point.owner_id)
        if point is not None:
            del self.fields["key"], self.fields["language"]
        self._categories = {path: pk for pk, path in category_paths().items()}
        self.paths = sorted(self._categories)

    def clean_category(self) -> str:
        path = "/".join(name for part in self.cleaned_data["category"].split("/") if (name := part.strip()))
        if not path:
            raise forms.ValidationError(_("Enter a category."))
        return path

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        path = cleaned.get("category")
        if path and path not in self._categories and not cleaned.get("is_new_category"):
            message = _(
                "There is no such category. Choose one from the list, or tick “This is a new category”."
            )
            self.add_error("category", message)
        return cleaned

    def content(self) -> Content:
        """Return the content of the point from the form.

        If the form names a new category, it is created in the caller's transaction.
        """
        data = self.cleaned_data
        pk = self._categories.get(data["category"])
        return Content(
            title=data["title"],
            answer=data["answer"],
            note=data["note"],
            category=Category.objects.get(pk=pk) if pk else category_at(data["category"]),
            department=data["department"],
            region=data["region"],
            branch=data["branch"],
            links=links_of(data["links"].splitlines()),
            is_public=data["is_public"],
            valid_from=data["valid_from"],
            valid_until=data["valid_until"],
        )

    def phrasing_lines(self) -> list[str]:
        lines: list[str] = self.cleaned_data["phrasings"].splitlines()
        return lines


def initial_values(point: Point, version: Version) -> dict[str, Any]:
    """Return the initial form values for editing this version of a point."""
    return {
        **{
            name: getattr(version, name)
            for name in ("title", "answer", "note", "is_public", "valid_from", "valid_until")
        },
        **{name: getattr(version, f"{name}_id") for name in ("department", "region", "branch")},
        "owner": point.owner_id,
        "category": category_paths()[version.category_id],
        "links": "\n".join(f"{words} | {address}" for words, address in version.links),
        "phrasings": "\n".join(kept_phrasings(point)),
    }


def links_of(lines: Iterable[str]) -> list[list[str]]:
    """Parse links, one on each line: `text | address` or only `address`. Empty lines are ignored."""
    links = []
    for line in lines:
        words, separator, address = line.rpartition("|")
        if line.strip():
            links.append([words.strip(), address.strip()] if separator else ["", line.strip()])
    return links


class RemarkForm(forms.Form):
    """The form for the reason why an editor sends back a draft or withdraws a point."""

    remark = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


class RecipientsForm(forms.Form):
    """The filters for the list of messages that were made from a point."""

    version = forms.TypedChoiceField(
        label=gettext_lazy("Version"), required=False, coerce=int, empty_value=None
    )
    since = forms.DateField(label=gettext_lazy("From"), required=False, widget=_day())
    until = forms.DateField(label=gettext_lazy("Until"), required=False, widget=_day())
    known = forms.BooleanField(label=gettext_lazy("Only customers who can be contacted"), required=False)
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, numbers: Iterable[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["version"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            ("", _("all")),
            *[(str(number), _("version %(number)d") % {"number": number}) for number in numbers],
        ]
