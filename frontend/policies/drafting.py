"""A policy's draft as YAML: read with the line of each mistake, saved, judged, published."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils.translation import gettext as _

from gateway.accounts.models import Project, User
from policies.engine.problems import DocumentError, Problem
from policies.models import PendingPublication
from policies.services import drafts, publications
from policies.services.configuration.problems import ConfigurationError
from policies.services.configuration.yaml_reader import Dumper, Source, read_yaml
from policies.services.conflicts import Conflict
from policies.services.judging import NotPublished, Verdict, judge

FILE = "policy.yaml"


@dataclass(slots=True, kw_only=True)
class Came:
    """What came of an act: `problems` with their lines, or `done`, what to say."""

    done: str = ""
    problems: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    conflict: bool = False

    @property
    def status(self) -> int:
        """Of the page that shows it."""
        return 409 if self.conflict else 400 if self.problems else 200


def as_yaml(document: Mapping[str, Any]) -> str:
    """A document as people edit it."""
    return yaml.dump(dict(document), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=96)


def act(name: str, given: Mapping[str, str], *, by: User, project: Project | None) -> Came:
    """Do what a button of the page says. Raises PermissionDenied; all else is in what came."""
    source = Source(FILE)
    try:
        if name in {"check", "save", "publish"}:
            source = _read(given.get("document", ""))
        return _ACTS.get(name, _nothing)(_Asked(by=by, project=project, given=given, source=source))
    except ConfigurationError as error:
        return Came(problems=[_placed(each) for each in error.problems])
    except (DocumentError, NotPublished) as error:
        return Came(problems=_located(error.problems, source))
    except Conflict as error:
        return Came(problems=[str(error)], conflict=True)
    except ValidationError as error:
        return Came(problems=list(error.messages))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    by: User
    project: Project | None
    given: Mapping[str, str]
    source: Source

    @property
    def document(self) -> Mapping[str, Any]:
        if not isinstance(self.source.data, Mapping):
            raise ValidationError(_("A policy is a mapping. Begin it with `kind`."))
        return self.source.data

    @property
    def version(self) -> int:
        return number_of(self.given.get("version", ""))

    @property
    def reason(self) -> str:
        return self.given.get("reason", "")


def _nothing(_asked: _Asked) -> Came:
    return Came(problems=[_("There is no such button.")])


def _check(asked: _Asked) -> Came:
    verdict = judge(asked.document, project=asked.project)
    problems = _located(verdict.problems(), asked.source)
    return Came(problems=problems, verdict=verdict, done="" if problems else _("All of it holds."))


def _save(asked: _Asked) -> Came:
    draft = drafts.save_draft(
        by=asked.by,
        project=asked.project,
        document=asked.document,
        version=asked.version,
        base=_base(asked),
    )
    return Came(done=_("Draft %(version)d saved.") % {"version": draft.version})


def _publish(asked: _Asked) -> Came:
    """What stands in the page is what is published: it is saved first. Not without a reason."""
    draft = drafts.save_draft(
        by=asked.by,
        project=asked.project,
        document=asked.document,
        version=asked.version,
        base=_base(asked),
    )
    if not asked.reason.strip():
        raise ValidationError(
            _("The draft is saved. To publish it, say why: that stands in the history.")
        )
    done = publications.publish_draft(
        by=asked.by, project=asked.project, version=draft.version, reason=asked.reason
    )
    return _published(done)


def _discard(asked: _Asked) -> Came:
    drafts.discard_draft(by=asked.by, project=asked.project, version=asked.version)
    return Came(done=_("The draft was thrown away."))


def _roll_back(asked: _Asked) -> Came:
    number = number_of(asked.given.get("number", ""))
    done = publications.roll_back_or_ask(
        by=asked.by, project=asked.project, number=number, reason=asked.reason
    )
    return _published(done)


def _agree(asked: _Asked) -> Came:
    revision = publications.approve_publication(
        by=asked.by, publication=_waiting(asked), note=asked.reason
    )
    return Came(done=_("Revision %(number)d is in effect.") % {"number": revision.number})


def _reject(asked: _Asked) -> Came:
    publications.reject_publication(by=asked.by, publication=_waiting(asked), note=asked.reason)
    return Came(done=_("The publication was rejected."))


def _withdraw(asked: _Asked) -> Came:
    publications.withdraw_publication(by=asked.by, publication=_waiting(asked))
    return Came(done=_("The publication was taken back."))


_ACTS: Mapping[str, Callable[[_Asked], Came]] = {
    "check": _check,
    "save": _save,
    "publish": _publish,
    "discard": _discard,
    "roll-back": _roll_back,
    "agree": _agree,
    "reject": _reject,
    "withdraw": _withdraw,
}


def _published(done: publications.Published) -> Came:
    if done.revision is not None:
        number = done.revision.number
        return Came(done=_("Revision %(number)d is in effect.") % {"number": number})
    return Came(done=_("It waits for a second person, who agrees or rejects it on this page."))


def _waiting(asked: _Asked) -> PendingPublication:
    rows = PendingPublication.objects.select_related("policy__project")
    try:
        key = uuid.UUID(asked.given.get("publication", ""))
    except ValueError:
        key = uuid.UUID(int=0)
    found = rows.filter(pk=key, policy__project=asked.project).first()
    if found is None:
        raise Conflict(_("This publication does not wait any more."))
    return found


def _base(asked: _Asked) -> int | None:
    written = asked.given.get("base", "")
    return number_of(written) if written else None


def number_of(written: str) -> int:
    """A number that a page sent back. Raises ValidationError for what is none."""
    if not (written.isascii() and written.isdecimal() and len(written) < 10):
        raise ValidationError(_("This page is out of date: open it again."))
    return int(written)


def _read(text: str) -> Source:
    source = read_yaml(text.replace("\r\n", "\n"), file=FILE)
    if source.problems:
        raise ConfigurationError(source.problems, file=FILE)
    return source


def _located(problems: Sequence[Problem], source: Source) -> list[str]:
    if not source.marks:
        return [each.as_text() for each in problems]
    return [_placed(source.located(each)) for each in problems]


def _placed(problem: Any) -> str:
    where = _("Line %(line)d") % {"line": problem.line}
    return f"{where}: {problem.sentence} {problem.advice}".strip()


__all__ = ["Came", "PermissionDenied", "act", "as_yaml", "number_of"]
