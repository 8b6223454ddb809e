"""Forms of the spreadsheets: uploading a table, and saying what is done with its rows."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from gateway.batches.sheets.reading import FORMATS
from gateway.batches.sheets.setup import Kind

KINDS = (
    (Kind.CHAT.value, _("Answer in text, or in the fields of a schema")),
    (Kind.CLASSIFICATION.value, _("Choose one of several labels")),
    (Kind.EMBEDDINGS.value, _("Embeddings")),
)


class TableForm(forms.Form):
    """A table, and what is known about it."""

    table = forms.FileField(
        label=_("Table"),
        help_text=_("CSV, TSV, XLSX or JSONL, with the columns' names in the first line."),
        widget=forms.FileInput(attrs={"accept": ",".join(FORMATS)}),
    )
    declared = forms.CharField(
        label=_("What it holds, if you know"),
        help_text=_("For every row, such as: confidential, health. It can only raise."),
        required=False,
        max_length=500,
    )
    sheet = forms.CharField(
        label=_("Sheet of a workbook"), help_text=_("Empty: the first."), required=False
    )


class SetupForm(forms.Form):
    """Prompt, model and shape of the answer."""

    template = forms.CharField(label=_("Prompt for each row"), widget=forms.Textarea, strip=False)
    model = forms.ChoiceField(label=_("Model"))
    kind = forms.ChoiceField(label=_("What to do"), choices=KINDS)
    labels = forms.CharField(
        label=_("Labels"),
        help_text=_("One a line, for choosing one of them."),
        widget=forms.Textarea,
        required=False,
    )
    system = forms.CharField(
        label=_("System prompt"), widget=forms.Textarea, required=False, strip=False
    )
    schema = forms.CharField(
        label=_("JSON Schema of the answer"),
        help_text=_("Its fields become columns."),
        widget=forms.Textarea,
        required=False,
    )
    example_rows = forms.RegexField(
        r"^\s*(\d+(\s*[, ]\s*\d+)*)?\s*$",
        label=_("Rows to show as examples"),
        help_text=_("Numbers such as 1, 3. They are not asked for."),
        required=False,
    )
    example_answer = forms.ChoiceField(label=_("Their answers stand in"), required=False)
    max_tokens = forms.IntegerField(
        label=_("Longest answer, in tokens"), min_value=1, required=False
    )

    def __init__(
        self, *args: Any, columns: Sequence[str], models: Sequence[str], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.fields["model"] = forms.ChoiceField(
            label=_("Model"), choices=[(name, name) for name in models]
        )
        self.fields["example_answer"] = forms.ChoiceField(
            label=_("Their answers stand in"),
            choices=[("", ""), *((name, name) for name in columns)],
            required=False,
        )
        self.order_fields(["template", "model", "kind", "labels", "system"])

    def clean_schema(self) -> dict[str, Any] | None:
        """The schema as an object."""
        text = self.cleaned_data["schema"].strip()
        if not text:
            return None
        try:
            tree = json.loads(text)
        except ValueError as error:
            raise ValidationError(_("This is not JSON.")) from error
        if not isinstance(tree, dict):
            raise ValidationError(_("A schema is a JSON object."))
        return tree

    def as_setup(self) -> dict[str, Any]:
        """As `services.configure` takes it."""
        given = self.cleaned_data
        setup: dict[str, Any] = {
            name: given[name]
            for name in ("model", "template", "kind", "system", "schema", "max_tokens")
        }
        # Browsers send line breaks of two characters.
        for name in ("template", "system"):
            setup[name] = setup[name].replace("\r\n", "\n")
        setup["labels"] = [line.strip() for line in given["labels"].splitlines() if line.strip()]
        rows = [int(word) for word in given["example_rows"].replace(",", " ").split()]
        if rows:
            setup["examples"] = {"rows": rows, "answer": given["example_answer"]}
        return setup


def initial_of(setup: dict[str, Any] | None, columns: Sequence[str]) -> dict[str, Any]:
    """What the form shows at first: the setup, or a template over the first column."""
    if setup is None:
        return {"template": "{{" + columns[0] + "}}", "kind": Kind.CHAT.value}
    examples = setup["examples"] or {"rows": [], "answer": ""}
    return {
        **{name: setup[name] for name in ("model", "template", "kind", "system", "max_tokens")},
        "labels": "\n".join(setup["labels"]),
        "schema": json.dumps(setup["schema"], indent=2) if setup["schema"] else "",
        "example_rows": ", ".join(str(row) for row in examples["rows"]),
        "example_answer": examples["answer"],
    }
