"""Import and export of admin lists: rights, file formats, messages and the audit trail."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.admin import ImportExportMixin
from import_export.forms import ExportForm, ImportForm
from import_export.tmp_storages import MediaStorage

from accounts import audit
from accounts.admin_parts import has_right
from accounts.models import Staff
from chat.archive.exports import CsvFile, XlsxFile
from knowledge.import_export.cells import UnreadableFile
from knowledge.import_export.sheets import SheetFile
from knowledge.published_index import seconds_to_learn


class SheetImportForm(ImportForm):
    """An import form that asks only for the file. The format is detected from the file's content."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["import_file"].label = _("File (XLSX or CSV)")
        self.fields["import_file"].widget.attrs["accept"] = ".xlsx,.csv,.txt"
        self.fields["format"].widget = forms.HiddenInput()
        self.initial["format"] = "0"

    # Leave out the script that guesses the format from the file name: the form has only one format.
    media = forms.Media()


class SheetExportForm(ExportForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].label = _("File format")
        self.initial["format"] = "0"


class TransferMixin(ImportExportMixin):
    """Adds import and export of the list to an admin class. The first of two import steps only shows a preview."""

    import_form_class: Any = SheetImportForm
    export_form_class: Any = SheetExportForm
    import_formats: ClassVar[list[Any]] = [SheetFile]
    export_formats: ClassVar[list[Any]] = [XlsxFile, CsvFile]
    import_template_name = "admin/knowledge/import.html"
    export_template_name = "admin/knowledge/export.html"
    # Keep the uploaded file in the folder that all machines share, because another machine may serve the second step.
    tmp_storage_class: Any = MediaStorage
    # Imports are recorded in our own audit trail, so Django's admin log is not needed.
    skip_admin_log: Any = True
    what = gettext_lazy("rows")
    exported_verb = ""

    def has_import_permission(self, request: HttpRequest) -> bool:
        return has_right(request, "edit_points")

    def has_export_permission(self, request: HttpRequest) -> bool:
        return has_right(request, "edit_points")

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        message = (
            str(e) if isinstance(e, UnreadableFile) else _("This file cannot be read. Choose another file.")
        )
        form.add_error("import_file", message)

    def add_success_message(self, result: Any, request: HttpRequest) -> None:
        preview = result.preview
        if not preview.is_good:
            message = _(
                "The data has changed since the preview, so nothing was stored. Import the file again."
            )
            messages.error(request, message)
            return
        counts = {"new": len(preview.new), "changed": len(preview.changed), "unchanged": preview.unchanged}
        messages.success(request, self.success_message() % counts)
        if seconds := seconds_to_learn(preview.texts):
            message = _(
                "After approval, the search needs about %(seconds)d seconds to learn the meaning of the "
                "new texts. Until then, it finds these points only by their exact words."
            )
            messages.info(request, message % {"seconds": seconds})

    def success_message(self) -> str:
        return _("Stored: %(new)d new, %(changed)d changed, %(unchanged)d unchanged.")

    def get_data_for_export(self, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any) -> Any:
        data = super().get_data_for_export(request, queryset, **kwargs)
        assert isinstance(request.user, Staff)
        audit.record(request.user, self.exported_verb, None, count=len(data))
        return data

    def get_export_filename(self, request: Any, queryset: Any, file_format: Any) -> str:  # type: ignore[override]
        name = queryset.model._meta.model_name
        return f"{name}-{timezone.localtime():%Y%m%d-%H%M}.{file_format.get_extension()}"
