"""The form of the search in conversations. It checks only the format of the data."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Department, Staff


class SearchForm(forms.Form):
    q = forms.CharField(label=_("Keywords"), required=False, max_length=100)
    mine = forms.BooleanField(label=_("Only my conversations"), required=False)
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
    # The button that shows older results sets this field.
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
