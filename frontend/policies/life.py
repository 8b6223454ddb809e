"""What surrounds a policy in effect: exceptions, a shadow beside it, and what is odd about it."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from frontend.badges import Badge, badge_for
from frontend.policies import words as w
from frontend.policies.drafting import Came
from frontend.policies.rule_form import Listed, Picks
from gateway.accounts.models import Group, Project, User
from gateway.deployments.models import ModelAlias
from policies.engine.document import DocumentError
from policies.models import RuleException
from policies.services import comparing, exceptions, shadows
from policies.services.judging import NotPublished
from policies.services.lint import LintFinding, lint
from policies.services.overview import named_document, revisions_of
from policies.services.waiting_exceptions import create_or_ask


class ExceptionForm(forms.Form):
    """A new exception. Everything left open under "only for" does not matter."""

    name = forms.SlugField(label=gettext_lazy("Name"), max_length=63)
    rules = forms.MultipleChoiceField(label=gettext_lazy("Rules it suspends"), widget=Picks)
    ends = forms.DateField(
        label=gettext_lazy("Until the end of"),
        widget=forms.DateInput({"type": "date"}),
        help_text=gettext_lazy(
            "At most a year from now. It only ever ends: make another to extend it."
        ),
    )
    owner = forms.ModelChoiceField(
        queryset=User.objects.none(), label=gettext_lazy("Who answers for it"), empty_label=None
    )
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=500)
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("Only for groups"), required=False, widget=Picks
    )
    aliases = forms.MultipleChoiceField(
        label=gettext_lazy("Only for models"), required=False, widget=Picks
    )
    keys = Listed(
        label=gettext_lazy("Only for API keys, by their first letters"),
        required=False,
        max_length=500,
    )


def exception_form(project: Project, user: User, data: QueryDict | None = None) -> ExceptionForm:
    """The form with what there is to choose from. Rules of the organisation: for admins."""
    form = ExceptionForm(data, initial={"owner": user.pk})
    names = exceptions.rule_names(project)
    if not user.is_admin:
        names = tuple(name for name in names if name.startswith("project:"))
    choices: dict[str, w.Choices] = {
        "rules": [(name, _rule_word(name)) for name in names],
        "groups": w.plain(Group.objects.values_list("slug", flat=True)),
        "aliases": w.plain(ModelAlias.objects.values_list("name", flat=True)),
    }
    for name, offered in choices.items():
        form.fields[name].choices = offered  # type: ignore[attr-defined]
    owners = User.objects.filter(Q(memberships__project=project) | Q(pk=user.pk), is_active=True)
    form.fields["owner"].queryset = owners.distinct().order_by("email")  # type: ignore[attr-defined]
    return form


def add_exception(form: ExceptionForm, *, by: User, project: Project) -> Came:
    """Suspend what the form says. Raises PermissionDenied."""
    if not form.is_valid():
        return Came(problems=[_("The exception is not complete.")])
    given = form.cleaned_data
    wanted = exceptions.ExceptionWanted(
        name=given["name"],
        rules=tuple(given["rules"]),
        reason=given["reason"],
        ends_at=timezone.make_aware(datetime.combine(given["ends"], time(23, 59, 59))),
        groups=tuple(given["groups"]),
        keys=tuple(given["keys"]),
        aliases=tuple(given["aliases"]),
    )
    try:
        asked = create_or_ask(by=by, project=project, wanted=wanted, owner=given["owner"])
    except ValidationError as error:
        _tell(form, error)
        return Came(problems=[_("The exception cannot be made like this.")])
    except NotPublished as error:
        return Came(problems=[f"{each.sentence} {each.advice}" for each in error.problems])
    if asked.waiting is not None:
        return Came(done=_("It waits for a second person, who finds it on the page Approvals."))
    return Came(done=_("The exception %(name)s holds.") % {"name": wanted.name})


def _tell(form: ExceptionForm, error: ValidationError) -> None:
    fields = {"ends_at": "ends"}
    told = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for name, sentences in told.items():
        field = fields.get(name, name)
        for sentence in sentences:
            form.add_error(field if field in form.fields else None, sentence)


def end_exception(given: Mapping[str, str], *, by: User, project: Project) -> Came:
    """Let the rules of one hold again. Raises PermissionDenied."""
    try:
        key = uuid.UUID(given.get("exception", ""))
    except ValueError:
        key = uuid.UUID(int=0)
    found = RuleException.objects.filter(project=project, pk=key).first()
    if found is None:
        return Came(problems=[_("There is no such exception.")])
    exceptions.end_exception(by=by, exception=found)
    return Came(done=_("The exception %(name)s has ended.") % {"name": found.name})


DRAFT = "draft"
OFFERED = 30  # revisions, the newest


def may_be_in_shadow(project: Project | None, version: int, number: int) -> w.Choices:
    """What a form offers to put in shadow: the draft, if there is one, and the old revisions."""
    offered: w.Choices = [(DRAFT, _("the draft"))] if version else []
    offered += [
        (str(row.number), _("revision %(number)d") % {"number": row.number})
        for row in revisions_of(project)[: OFFERED + 1]
        if row.number != number
    ]
    return offered


def chosen_for_shadow(
    given: Mapping[str, str], owner: Project | None
) -> tuple[Mapping[str, Any], str] | str:
    """The document that a form names, and where it is from; or what to say instead."""
    which = given.get("which", DRAFT)
    document = named_document(owner, which)
    if document is None and which != DRAFT:
        return _("There is no such revision.")
    if document is None:
        return _("There is no draft to put in shadow.")
    if which == DRAFT:
        return document, _("draft %(version)s") % {"version": given.get("version", "")[:9]}
    return document, _("revision %(number)s") % {"number": which}


def start_shadow(given: Mapping[str, str], *, by: User, project: Project) -> Came:
    """Decide the draft or an old revision beside what is in effect. Raises PermissionDenied."""
    chosen = chosen_for_shadow(given, project)
    if isinstance(chosen, str):
        return Came(problems=[chosen])
    document, source = chosen
    try:
        shadows.start_shadow(by=by, project=project, document=document, source=source)
    except DocumentError as error:
        return Came(problems=[each.as_text() for each in error.problems])
    return Came(done=_("It is decided beside what is in effect, and changes nothing."))


def end_shadow(_given: Mapping[str, str], *, by: User, project: Project) -> Came:
    """Decide nothing beside any more. Raises PermissionDenied."""
    shadows.end_shadow(by=by, project=project)
    return Came(done=_("The shadow has ended; what it showed stays."))


Act = Callable[..., Came]
ACTS: Mapping[str, Act] = {
    "exception-end": end_exception,
    "shadow-start": start_shadow,
    "shadow-end": end_shadow,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveShown:
    """Requests that would go elsewhere, with badges; None: refused, or not known."""

    count: int
    before: Badge | None
    after: Badge | None
    words: str
    deployments: Sequence[str]
    decisions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesShown:
    """What would have been decided, against what was."""

    since: datetime
    sentence: str
    moves: Sequence[MoveShown]
    failed: int
    partial: bool
    rule: str = ""  # of the one rule that would be in effect
    matched: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowShown:
    """What is in shadow: a policy, running or the last one, and rules of those in effect."""

    running: bool
    source: str
    policy: ChangesShown | None
    rules: Sequence[ChangesShown]


def shadow_shown(project: Project) -> ShadowShown | None:
    """What it showed so far; None: there never was any. Reads up to 40,000 decisions."""
    try:
        compared = comparing.compare(project)
    except ValidationError:
        return None
    running = shadows.shadow_of(project)
    return ShadowShown(
        running=running is not None,
        source=running.source if running is not None else "",
        policy=None if compared.policy is None else _changes(compared.policy),
        rules=rules_shown(compared.rules),
    )


def rules_shown(rules: Sequence[comparing.RuleInShadow]) -> Sequence[ChangesShown]:
    """What each shadow rule would have changed."""
    return [
        replace(_changes(each.changes), rule=_rule_word(each.rule), matched=each.matched)
        for each in rules
    ]


def _changes(found: comparing.Changes) -> ChangesShown:
    return ChangesShown(
        since=found.since,
        sentence=found.sentence,
        moves=[_move(move) for move in found.moves],
        failed=found.failed,
        partial=found.partial,
    )


def _move(move: comparing.Move) -> MoveShown:
    return MoveShown(
        count=move.count,
        before=_place(move.before),
        after=_place(move.after),
        words=move.words,
        deployments=[f"{count} {names}" for names, count in move.deployments.items()],
        decisions=move.decisions[:SHOWN],
    )


SHOWN = 8  # decisions linked of each move


def _place(place: str) -> Badge | None:
    if place == comparing.DENIED:
        return Badge.BLOCKED
    return badge_for(place) if place in {each.value for each in Badge} else None


def oddities(project: Project | None) -> Sequence[LintFinding]:
    """What is odd about the policy in effect. Up to some seconds of CPU."""
    return lint(project)


def _rule_word(name: str) -> str:
    scope, _colon, rule = name.partition(":")
    return _("%(rule)s (organisation)") % {"rule": rule} if scope == "organisation" else rule
