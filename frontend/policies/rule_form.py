"""The form of one rule: WHEN it applies, THEN its one effect. No syntax needed."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from frontend.policies import words as w
from policies.engine.document import KnownNames

_TEXT = {"autocomplete": "off", "spellcheck": "false"}


class Picks(forms.CheckboxSelectMultiple):
    """Several of a few; `components/picks` draws them."""


class Listed(forms.CharField):
    """Words with commas between them."""

    @override
    def clean(self, value: Any) -> list[str]:
        """As a list, each once."""
        text = super().clean(value)
        return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))

    @override
    def prepare_value(self, value: Any) -> Any:
        """A list as it is typed."""
        return ", ".join(value) if isinstance(value, list | tuple) else value


def _several(label: Any, choices: w.Choices = (), **more: Any) -> forms.MultipleChoiceField:  # type: ignore[assignment]
    return forms.MultipleChoiceField(
        label=label, choices=choices, required=False, widget=Picks, **more
    )


def _one(label: Any, choices: w.Choices = (), **more: Any) -> forms.ChoiceField:  # type: ignore[assignment]
    return forms.ChoiceField(label=label, choices=choices, required=False, **more)


def _text(label: Any, **more: Any) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, max_length=500, widget=forms.TextInput(_TEXT), **more
    )


def _number(label: Any, least: int = 0, **more: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=least, **more)


class SelectorFields(forms.Form):
    """Which deployments are meant. What is left open does not matter; all that is given must
    agree."""

    zones = _several(_("Zones"), w.ZONES)
    deployments = _several(_("Deployments by name"))
    vendors = Listed(label=_("Vendors"), required=False, max_length=500)
    regions = Listed(label=_("Regions"), required=False, max_length=500)
    retention_most = _number(_("Keeps data at most (days)"))
    retention_least = forms.IntegerField(required=False, widget=forms.HiddenInput)
    trains = _one(_("Training"), w.TRAINS)

    def offer(self, known: KnownNames, chosen: Mapping[str, Any]) -> None:
        """Fill the choices; what a rule names already stays among them, whatever became of it."""
        self._choose("deployments", w.plain({*known.deployments, *chosen.get("deployments", ())}))

    def _choose(self, name: str, choices: w.Choices) -> None:
        cast("forms.ChoiceField", self.fields[name]).choices = choices


class RuleForm(SelectorFields):
    """A rule."""

    id = forms.RegexField(
        label=_("Name of the rule"),
        regex=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        max_length=63,
        widget=forms.TextInput(_TEXT),
        error_messages={"invalid": _("Letters, digits, dots, - and _ only.")},
        help_text=_("Stands in receipts, refusals and the audit: health-stays."),
    )
    categories = _several(_("The data is of a category"))
    at_least = _one(_("It is at least"), w.ANY_SENSITIVITY)
    at_most = _one(_("It is at most"), w.ANY_SENSITIVITY)
    data_classes = _several(_("One of these is found"))
    class_count = _number(_("At least so many of them"), 1)
    groups = _several(_("The caller is in a group"))
    keys = Listed(
        label=_("API keys, by their first letters"),
        required=False,
        max_length=500,
        help_text=_("With commas between them."),
    )
    aliases = _several(_("The model asked for"))
    endpoints = _several(_("The endpoint"), w.ENDPOINT_CHOICES)
    modalities = _several(_("The request contains"), w.MODALITIES)
    tools = _one(_("The request"), w.TOOLS)
    size_least = _number(_("Bytes, at least"))
    size_most = _number(_("Bytes, at most"))
    budget = _several(_("The budget is"), w.BUDGETS)
    days = _several(_("On these days"), w.DAY_CHOICES)
    time_from = _text(_("From"), help_text="08:00")
    time_to = _text(_("To"), help_text="18:00")
    timezone = _text(_("Time zone"), help_text="Europe/Berlin")
    effect = forms.ChoiceField(
        label=_("What happens then"), choices=w.EFFECTS, widget=forms.RadioSelect
    )
    message = _text(_("What the caller is told"))
    masked = _several(_("What is masked"))
    mode = _one(_("In its place stands"), w.MODES)
    first = _one(_("First"))
    second = _one(_("then"))
    third = _one(_("then"))
    shadow = forms.BooleanField(
        label=_("In shadow: note where it matches, without any effect"), required=False
    )

    @override
    def offer(self, known: KnownNames, chosen: Mapping[str, Any]) -> None:
        """Fill the choices; what a rule names already stays among them, whatever became of it."""
        super().offer(known, chosen)
        found = {*(known.data_classes or ()), *chosen.get("data_classes", ())}
        masked = {name for name in chosen.get("masked", ()) if name not in known.categories}
        kinds = {*known.categories, *chosen.get("categories", ())}
        self._choose("categories", w.categories(kinds))
        self._choose("data_classes", w.classes(found))
        self._choose("masked", [*w.classes({*found, *masked}), *_whole(kinds)])
        self._choose("aliases", w.plain({*known.aliases, *chosen.get("aliases", ())}))
        self._choose("groups", w.plain({*(known.groups or ()), *chosen.get("groups", ())}))
        for name in ("first", "second", "third"):
            names = {*known.deployments, *filter(None, [chosen.get(name)])}
            self._choose(name, [("", ""), *w.plain(names)])

    @override
    def clean(self) -> dict[str, Any]:
        """An effect needs what it is about."""
        given = super().clean() or {}
        effect = given.get("effect")
        if effect == "mask" and not given.get("masked"):
            self.add_error("masked", _("Choose at least one."))
        if effect == "allow_only" and not self._said(given):
            self.add_error("zones", _("Say which deployments are meant."))
        if effect == "prefer" and not (given.get("first") or self._said(given)):
            self.add_error("first", _("Choose a deployment."))
        return given

    @staticmethod
    def _said(given: Mapping[str, Any]) -> bool:
        names = ("zones", "deployments", "vendors", "regions", "retention_most", "trains")
        return any(given.get(name) not in (None, "", []) for name in names)


def _whole(kinds: set[str]) -> w.Choices:
    return [
        (name, _("everything of category %(name)s") % {"name": word})
        for name, word in w.categories(kinds)
    ]


class NeverForm(SelectorFields):
    """A statement: data of this label never reaches these deployments."""

    never_categories = _several(_("Data of a category"))
    never_least = _one(_("that is at least"), w.ANY_SENSITIVITY)

    @override
    def offer(self, known: KnownNames, chosen: Mapping[str, Any]) -> None:
        """Fill the choices."""
        super().offer(known, chosen)
        kinds = {*known.categories, *chosen.get("never_categories", ())}
        self._choose("never_categories", w.categories(kinds))

    @override
    def clean(self) -> dict[str, Any]:
        """A statement says about what, and where it never goes."""
        given = super().clean() or {}
        if not given.get("never_categories") and not given.get("never_least"):
            self.add_error("never_least", _("Say which data is meant."))
        if not RuleForm._said(given):
            self.add_error("zones", _("Say where it never goes."))
        return given
