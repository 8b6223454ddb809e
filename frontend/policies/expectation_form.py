"""A policy's test by a form: a text, and what is to become of it. No syntax needed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from typing_extensions import override

from frontend.badges import Badge, badge_for
from policies.engine.document import KnownNames
from policies.services import editing

DENIED: Final = "denied"
OUTCOMES: Final[list[tuple[str, str | Promise]]] = [
    ("on_prem", gettext_lazy("It stays on-prem")),
    ("private_cloud", gettext_lazy("It goes to a private cloud")),
    ("cloud", gettext_lazy("It goes to a cloud")),
    (DENIED, gettext_lazy("It is refused")),
]


class ExpectationForm(forms.Form):
    """One test. What is left open does not matter."""

    test_text = forms.CharField(
        label=gettext_lazy("When somebody writes"),
        max_length=20_000,
        strip=False,
        widget=forms.Textarea({"rows": 3}),
        help_text=gettext_lazy("Stands in the policy: write an invented text, no real one."),
    )
    test_alias = forms.ChoiceField(label=gettext_lazy("Model asked for"))
    test_declare = forms.CharField(
        label=gettext_lazy("Declared"), required=False, max_length=200, help_text="confidential"
    )
    test_outcome = forms.ChoiceField(label=gettext_lazy("What is to become of it"))
    test_deployment = forms.ChoiceField(
        label=gettext_lazy("To this deployment, first of all"), required=False
    )
    test_masked = forms.IntegerField(
        label=gettext_lazy("So many values masked"), required=False, min_value=0, max_value=10_000
    )

    def offer(self, known: KnownNames) -> None:
        """Fill the choices."""
        aliases = sorted(known.aliases, key=lambda name: (name != "auto", name))
        choices: Mapping[str, list[tuple[str, str | Promise]]] = {
            "test_alias": [(name, name) for name in aliases],
            "test_outcome": OUTCOMES,
            "test_deployment": [
                ("", _("whichever")),
                *((name, name) for name in sorted(known.deployments)),
            ],
        }
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined]

    @override
    def clean(self) -> dict[str, Any]:
        """A refused text goes nowhere."""
        given = super().clean() or {}
        if given.get("test_outcome") == DENIED:
            for name in ("test_deployment", "test_masked"):
                if given.get(name) not in {None, ""}:
                    self.add_error(name, _("What is refused goes nowhere: leave this open."))
        return given

    def as_part(self) -> dict[str, Any]:
        """The test as a document writes it. After `is_valid`."""
        given = self.cleaned_data
        expect: dict[str, Any] = {"zone": given["test_outcome"]}
        if given["test_outcome"] == DENIED:
            expect = {"denied": True}
        if given["test_deployment"]:
            expect["deployment"] = given["test_deployment"]
        if given["test_masked"] is not None:
            expect["masked"] = given["test_masked"]
        part = {"text": given["test_text"], "alias": given["test_alias"]}
        if given["test_declare"]:
            part["declare"] = given["test_declare"]
        return {**part, "expect": expect}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLine:
    """A test of a document that may be wrong. `badge`: where it is to go, as far as it says."""

    __test__ = False  # no test case of pytest's

    at: int
    text: str
    alias: str
    declare: str
    badge: Badge | None
    words: str


def expectation_form(project: Any, data: Any = None) -> ExpectationForm:
    """The form, empty or as it was sent. Some queries for its choices."""
    form = ExpectationForm(data)
    form.offer(editing.names_of(project))
    return form


def lines_of_tests(document: editing.Document) -> Iterator[TestLine]:
    """The tests of a document, in its order."""
    for at, part in enumerate(editing.parts(document, "tests")):
        test = part if isinstance(part, Mapping) else {}
        said = test.get("expect")
        expect = said if isinstance(said, Mapping) else {}
        yield TestLine(
            at=at,
            text=str(test.get("text", "")),
            alias=str(test.get("alias", "")),
            declare=str(test.get("declare", "")),
            badge=_badge(expect),
            words=", ".join(_words(expect)),
        )


def _badge(expect: Mapping[str, Any]) -> Badge | None:
    if expect.get("denied") is True:
        return Badge.BLOCKED
    zone = expect.get("zone")
    if zone not in {"on_prem", "private_cloud", "cloud"}:
        return None
    masked = expect.get("masked")
    return badge_for(zone, masked=masked if isinstance(masked, int) else 0)


def _words(expect: Mapping[str, Any]) -> Iterator[str]:
    if expect.get("deployment"):
        yield str(expect["deployment"])
    masked = expect.get("masked")
    if isinstance(masked, int):
        yield ngettext("%(count)d masked", "%(count)d masked", masked) % {"count": masked}
    rules = expect.get("rules")
    if isinstance(rules, list):
        names = ", ".join(str(each) for each in rules) or _("none")
        yield _("rules: %(rules)s") % {"rules": names}
