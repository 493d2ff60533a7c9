"""Forms with which editors set exams. They check only the format of the data; actions decide what is allowed."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Department
from exams.actions.exams import ExamPlan
from exams.models import Exam, Question, QuestionKind
from exams.rules.question_parsing import ParsedQuestion, format_lines, parse_lines
from knowledge.models import Category

DATETIME_FORMAT = "%Y-%m-%dT%H:%M"


def _datetime_field(label: Any) -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        input_formats=[DATETIME_FORMAT, "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=DATETIME_FORMAT),
    )


class ExamForm(forms.Form):
    name = forms.CharField(label=_("Name of the exam"), max_length=80)
    departments = forms.ModelMultipleChoiceField(
        Department.objects.filter(is_active=True),
        label=_("Departments"),
        widget=forms.CheckboxSelectMultiple,
    )
    opens_at = _datetime_field(_("Opens"))
    closes_at = _datetime_field(_("Closes"))
    minutes = forms.IntegerField(label=_("Minutes"), min_value=1, max_value=240)
    question_count = forms.IntegerField(label=_("Number of questions"), min_value=1, max_value=200)
    pass_percent = forms.IntegerField(label=_("Pass mark, %"), min_value=1, max_value=100)
    resits = forms.IntegerField(label=_("Resits"), min_value=0, max_value=10)
    required_from = forms.DateField(
        label=_("Pass required from"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_(
            "From this date, agents who haven't passed can't take conversations from these departments. "
            "They get at least two weeks' notice. Leave empty if no pass is required."
        ),
    )

    def __init__(self, *args: Any, exam: Exam | None = None, **kwargs: Any) -> None:
        if exam is not None:
            kwargs["initial"] = _initial(exam)
        else:
            today = timezone.localtime().replace(hour=9, minute=0, second=0, microsecond=0)
            kwargs["initial"] = {
                "opens_at": today + timedelta(days=1),
                "closes_at": today.replace(hour=18) + timedelta(days=7),
                "minutes": 30, "question_count": 20, "pass_percent": 80, "resits": 1,
            }  # fmt: skip
        super().__init__(*args, **kwargs)
        self._parts: dict[str, Category | Department] = {
            **{f"share_category_{part.pk}": part for part in Category.objects.filter(parent=None)},
            **{f"share_department_{part.pk}": part for part in Department.objects.filter(is_active=True)},
        }
        for name, part in self._parts.items():
            self.fields[name] = forms.IntegerField(
                label=str(part), min_value=0, max_value=100, required=False
            )

    def shares(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the weight fields in two groups, by category and by department, each with its heading."""
        groups = {"share_category_": _("By category"), "share_department_": _("By department")}
        return [
            (str(label), [self[name] for name in self._parts if name.startswith(prefix)])
            for prefix, label in groups.items()
        ]

    def plain(self) -> list[forms.BoundField]:
        """Return the visible fields other than the weight fields."""
        return [field for field in self.visible_fields() if field.name not in self._parts]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        opens, closes = data.get("opens_at"), data.get("closes_at")
        if opens and closes and opens >= closes:
            self.add_error("closes_at", _("The exam must close after it opens."))
        return data

    def plan(self) -> ExamPlan:
        data = self.cleaned_data
        return ExamPlan(
            **{name: data[name] for name in self.base_fields if name != "departments"},
            departments=list(data["departments"]),
            shares=[(part, data[name]) for name, part in self._parts.items() if data.get(name)],
        )


def _initial(exam: Exam) -> dict[str, Any]:
    shares = {
        f"share_{'category' if share.category_id else 'department'}_{share.category_id or share.department_id}": (
            share.weight
        )
        for share in exam.shares.all()
    }
    names = ("name", "opens_at", "closes_at", "minutes", "question_count", "pass_percent", "resits")
    return {
        **{name: getattr(exam, name) for name in (*names, "required_from")},
        "departments": list(exam.departments.values_list("pk", flat=True)),
        **shares,
    }


class QuestionForm(forms.Form):
    kind = forms.ChoiceField(label=_("Kind"), choices=QuestionKind)
    stem = forms.CharField(
        label=_("Question"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For a fill-in question, write ____ where the gap is."),
    )
    lines = forms.CharField(
        label=_("Options and answer"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_(
            "One per line. Single or multiple choice: put a * before each correct option. Fill in: write "
            "every accepted answer. Put in order: write the steps in the correct order. True or false: "
            "write only “true” or “false”."
        ),
    )
    explanation = forms.CharField(
        label=_("Explanation"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Shown after the paper is marked."),
    )

    def __init__(self, *args: Any, question: Question | None = None, **kwargs: Any) -> None:
        if question is not None:
            kwargs["initial"] = {
                "kind": question.kind,
                "stem": question.stem,
                "lines": format_lines(question.kind, question.options, question.answer),
                "explanation": question.explanation,
            }
        super().__init__(*args, **kwargs)

    def parsed(self) -> ParsedQuestion:
        data = self.cleaned_data
        options, answer = parse_lines(data["kind"], data["lines"])
        return ParsedQuestion(data["kind"], data["stem"], options, answer, data["explanation"])


class ResultsForm(forms.Form):
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    department = forms.ModelChoiceField(
        Department.objects.filter(is_active=True), label=_("Department"), required=False, empty_label=_("all")
    )
    exam = forms.ModelChoiceField(Exam.objects.all(), label=_("Exam"), required=False, empty_label=_("all"))


class QuestionFilterForm(forms.Form):
    STATES = (
        ("", _("all")),
        ("accepted", _("accepted")),
        ("look", _("needs review")),
        ("proposed", _("proposed")),
        ("declined", _("declined")),
    )
    words = forms.CharField(label=_("Keywords"), required=False, max_length=60)
    state = forms.ChoiceField(label=_("State"), required=False, choices=STATES)
    kind = forms.ChoiceField(label=_("Kind"), required=False, choices=[("", _("all")), *QuestionKind.choices])
    category = forms.TypedChoiceField(label=_("Category"), required=False, coerce=int, empty_value=None)

    def __init__(self, *args: Any, paths: dict[int, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["category"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [("", _("all")), *sorted(paths.items(), key=lambda item: item[1])]
