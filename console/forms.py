"""The console's forms. They check shape; whether a thing may be done the actions decide."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.access import may
from accounts.models import Department, PresenceStatus, Staff
from chat.models import CannedReply, Conversation, WrapUpCode
from chat.protocol import MAX_BODY_CHARACTERS
from console import selectors

# Django's own classes take a type only for the type checker.
if TYPE_CHECKING:
    ReplyModelForm = forms.ModelForm[CannedReply]
else:
    ReplyModelForm = forms.ModelForm


class TransferForm(forms.Form):
    """`to` is `agent:<id>` or `department:<id>`; only colleagues who are online are offered."""

    to = forms.ChoiceField(label=_("To"))
    note = forms.CharField(
        label=_("Note for them"),
        required=False,
        max_length=MAX_BODY_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Only colleagues see it."),
    )

    def __init__(self, *args: Any, staff: Staff, conversation: Conversation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = get_language()
        online = selectors.colleagues_online(staff, conversation)
        self._colleagues = {colleague.staff.pk: colleague.staff for colleague in online}
        self._departments = {d.pk: d for d in Department.objects.filter(is_active=True)}
        field = self.fields["to"]
        assert isinstance(field, forms.ChoiceField)
        colleagues = [
            (
                f"agent:{c.staff.pk}",
                f"{c.staff.name_in(language)} {c.staff.number} · {c.open_now}/{c.staff.capacity}",
            )
            for c in online
        ]
        departments = [
            (f"department:{d.pk}", d.name_in(language))
            for d in self._departments.values()
            if not (conversation.status == "waiting" and d.pk == conversation.department_id)
        ]
        field.choices = [
            ("", _("Choose …")),
            (_("Departments"), departments),
            (_("Colleagues online (chats now / capacity)"), colleagues),
        ]
        self.has_colleagues = bool(colleagues)

    def chosen(self) -> Staff | Department:
        kind, _, pk = self.cleaned_data["to"].partition(":")
        return self._colleagues[int(pk)] if kind == "agent" else self._departments[int(pk)]


class CloseForm(forms.Form):
    code = forms.ModelChoiceField(
        WrapUpCode.objects.none(), label=_("What was it about?"), empty_label=_("Choose …"), required=False
    )
    comment = forms.CharField(
        label=_("Comment"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, conversation: Conversation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = selectors.wrap_up_codes_for(conversation)


class NoteForm(forms.Form):
    client_id = forms.UUIDField(widget=forms.HiddenInput)
    body = forms.CharField(
        label=_("Note"),
        max_length=MAX_BODY_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Only colleagues see it."),
    )


class PresenceForm(forms.Form):
    status = forms.ChoiceField(choices=PresenceStatus)


class ReplyForm(ReplyModelForm):
    """A canned reply. Whose it is: `personal`, `shared`, or the id of a department."""

    scope = forms.ChoiceField(label=_("For"))
    # What it was made from, when it begins with the words of a knowledge point.
    source = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    class Meta:
        model = CannedReply
        fields = ["language", "shortcut", "title", "body"]
        widgets = {"body": forms.Textarea(attrs={"rows": 6})}
        help_texts = {"shortcut": _("letters, digits and - ; found by / and its letters"), "body": ""}

    field_order = ["scope", "language", "shortcut", "title", "body"]

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._staff = staff
        field = self.fields["scope"]
        assert isinstance(field, forms.ChoiceField)
        choices: list[tuple[str, Any]] = [("personal", _("me"))]
        if may(staff, "edit_shared_replies"):
            choices.append(("shared", _("everybody")))
            departments = Department.objects.filter(is_active=True)
            choices += [(str(d.pk), d.name_in(get_language())) for d in departments]
        field.choices = choices
        reply = self.instance
        if reply.pk is not None:
            self.initial["scope"] = (
                "personal"
                if reply.owner_id
                else str(reply.department_id)
                if reply.department_id
                else "shared"
            )

    def reply(self) -> CannedReply:
        """The reply as the form says, not stored."""
        reply = self.instance
        scope = self.cleaned_data["scope"]
        if scope == "personal":
            reply.owner_id, reply.department_id = reply.owner_id or self._staff.pk, None
        else:
            reply.owner_id, reply.department_id = None, None if scope == "shared" else int(scope)
        if self.cleaned_data["source"]:
            reply.source, reply.is_active = self.cleaned_data["source"], True
        return reply


class SearchForm(forms.Form):
    q = forms.CharField(label=_("Words"), required=False, max_length=100)
    mine = forms.BooleanField(label=_("Only mine"), required=False)
    since = forms.DateField(label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    department = forms.ModelChoiceField(
        Department.objects.filter(is_active=True), label=_("Department"), required=False, empty_label=_("all")
    )
    agent = forms.ModelChoiceField(
        Staff.objects.filter(role__in=("agent", "supervisor")),
        label=_("Agent"),
        required=False,
        empty_label=_("all"),
    )
    # Set by the button for the next page.
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
