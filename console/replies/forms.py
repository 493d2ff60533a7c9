"""The form of a canned reply. It checks only the format of the data; actions decide what is allowed."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.access import may
from accounts.models import Department, Staff
from chat.models import CannedReply

# Only the type checker accepts a type argument for ModelForm; at run time it would fail.
if TYPE_CHECKING:
    ReplyModelForm = forms.ModelForm[CannedReply]
else:
    ReplyModelForm = forms.ModelForm


class ReplyForm(ReplyModelForm):
    """The form of a canned reply. `scope` says who may use it: `personal`, `shared`, or the id of a department."""

    scope = forms.ChoiceField(label=_("Available to"))
    # The source of the knowledge point from whose text the reply was made, or "".
    source = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    class Meta:
        model = CannedReply
        fields = ["language", "shortcut", "title", "body"]
        widgets = {"body": forms.Textarea(attrs={"rows": 6})}
        help_texts = {
            "shortcut": _(
                "Letters, digits and hyphens. To find the reply, type / and the shortcut in a message."
            ),
            "body": "",
        }

    field_order = ["scope", "language", "shortcut", "title", "body"]

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._staff = staff
        field = self.fields["scope"]
        assert isinstance(field, forms.ChoiceField)
        choices: list[tuple[str, Any]] = [("personal", _("me"))]
        if may(staff, "edit_shared_replies"):
            choices.append(("shared", _("everyone")))
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
        """Return the canned reply with the values of the form. It is not stored."""
        reply = self.instance
        scope = self.cleaned_data["scope"]
        if scope == "personal":
            reply.owner_id, reply.department_id = reply.owner_id or self._staff.pk, None
        else:
            reply.owner_id, reply.department_id = None, None if scope == "shared" else int(scope)
        if self.cleaned_data["source"]:
            reply.source, reply.is_active = self.cleaned_data["source"], True
        return reply
