"""Forms of the inbox. They check only the format of the data; actions decide what is allowed."""

from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, PresenceStatus, Staff
from chat.models import Conversation, WrapUpCode
from chat.protocol import MAX_BODY_CHARACTERS
from console.inbox import selectors


class TransferForm(forms.Form):
    """The form to transfer a conversation.

    `to` is `agent:<id>` or `department:<id>`. Only colleagues who are online are offered.
    """

    to = forms.ChoiceField(label=_("Transfer to"))
    note = forms.CharField(
        label=_("Note for your colleagues"),
        required=False,
        max_length=MAX_BODY_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Only staff can see this note."),
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
            (_("Colleagues online (conversations now / capacity)"), colleagues),
        ]
        self.has_colleagues = bool(colleagues)

    def chosen(self) -> Staff | Department:
        kind, _, pk = self.cleaned_data["to"].partition(":")
        return self._colleagues[int(pk)] if kind == "agent" else self._departments[int(pk)]


class CloseForm(forms.Form):
    code = forms.ModelChoiceField(
        WrapUpCode.objects.none(),
        label=_("What was the conversation about?"),
        empty_label=_("Choose …"),
        required=False,
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
        help_text=_("Only staff can see this note."),
    )


class PresenceForm(forms.Form):
    status = forms.ChoiceField(choices=PresenceStatus)
