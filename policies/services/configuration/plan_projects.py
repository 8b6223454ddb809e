"""Steps for projects, what belongs to them, and the organisation."""

from collections.abc import Iterator, Mapping

from gateway.accounts.limits import NAMES, Limits
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services import (
    add_member,
    change_organisation,
    change_project,
    create_project,
    remove_member,
    set_limits,
)
from gateway.accounts.services.projects import label_text
from gateway.deployments.models import Deployment
from gateway.deployments.services import (
    add_grant,
    remove_grant,
    resume_egress,
    stop_egress,
)
from policies.engine.document import DocumentError, KnownNames, PolicyDocument, parse_document
from policies.engine.facts import Zone
from policies.engine.labels import Label
from policies.services.configuration.read import SWITCHES
from policies.services.configuration.steps import Authority, Run, Step, Verb, arrow
from policies.services.configuration.wanted import (
    Document,
    ProjectWanted,
    Wanted,
    WordListWanted,
)
from policies.services.judging import LATER
from policies.services.policy_widening import covers, policy_widening
from policies.services.publishing import document_hash, publish
from policies.services.word_lists import remove_word_list, set_word_list


def plan_organisation(present: Wanted, wanted: Wanted) -> Iterator[Step]:
    """The organisation's settings and the switch. Its policy is a step of its own."""
    now, then = present.organisation, wanted.organisation
    if then.egress_stopped is not None and then.egress_stopped != now.egress_stopped:
        stops = then.egress_stopped
        yield Step(
            verb=Verb.CHANGE,
            subject="egress",
            lines=("stopped" if stops else "resumed",),
            widens=() if stops else ("what was stopped leaves again",),
            resumes_egress=not stops,
            run=lambda authority: (
                stop_egress(by=authority.by) if stops else resume_egress(by=authority.by)
            ),
        )
    lines: list[str] = []
    if then.name is not None and then.name != now.name:
        lines.append(arrow("name", now.name, then.name))
    switched = {
        switch: getattr(then, switch)
        for switch in SWITCHES
        if getattr(then, switch) not in {None, getattr(now, switch)}
    }
    lines += [arrow(switch, not value, value) for switch, value in switched.items()]
    if lines:
        dropped = not all(switched.values())
        yield Step(
            verb=Verb.CHANGE,
            subject="organisation",
            lines=tuple(lines),
            widens=("no second person is asked any more",) if dropped else (),
            run=lambda authority: change_organisation(
                by=authority.by,
                name=then.name,
                **switched,
                approved_by=authority.approved_by,
            ),
        )


def plan_project(
    before: ProjectWanted | None, wanted: ProjectWanted, zones: Mapping[str, Zone], *, prune: bool
) -> Iterator[Step]:
    """A project, its members, word lists and grants. Its policy is a step of its own."""
    slug = wanted.slug
    if before is None:
        yield _new_project(wanted)
        before = ProjectWanted(slug=slug, name=wanted.name, floor=wanted.floor)
    else:
        yield from _project_settings(before, wanted)
    if wanted.limits is not None:
        yield from _limits(slug, before.limits or Limits(), wanted.limits)
    yield from _members(slug, before.members or {}, wanted.members, prune=prune)
    yield from _word_lists(slug, before.word_lists or {}, wanted.word_lists, prune=prune)
    had = before.grants or ()
    for name in wanted.grants or ():
        if name not in had:
            off = zones[name] is not Zone.ON_PREM
            yield Step(
                verb=Verb.CREATE,
                subject=f"grant of {name} to {slug}",
                widens=(f"the project may use {name} ({zones[name]})",) if off else (),
                run=_grant(slug, name, given=True),
            )
    if prune and wanted.grants is not None:
        for name in had:
            if name not in wanted.grants:
                yield Step(
                    verb=Verb.REMOVE,
                    subject=f"grant of {name} to {slug}",
                    run=_grant(slug, name, given=False),
                )


def _new_project(wanted: ProjectWanted) -> Step:
    if Project.objects.filter(slug=wanted.slug).exists():
        return Step(
            verb=Verb.CHANGE,
            subject=f"project {wanted.slug}",
            lines=("brought back from the archive",),
            widens=("it is in use again, with the keys and grants that it had",),
            run=lambda authority: change_project(
                by=authority.by,
                project=_project(wanted.slug),
                name=wanted.name,
                floor=wanted.floor,
                archived=False,
            ),
        )
    return Step(
        verb=Verb.CREATE,
        subject=f"project {wanted.slug}",
        lines=(f"floor: {label_text(wanted.floor)}",),
        run=lambda authority: create_project(
            by=authority.by, slug=wanted.slug, name=wanted.name, floor=wanted.floor
        ),
    )


def _project_settings(before: ProjectWanted, wanted: ProjectWanted) -> Iterator[Step]:
    lines: list[str] = []
    if before.name != wanted.name:
        lines.append(arrow("name", before.name, wanted.name))
    if before.floor != wanted.floor:
        lines.append(arrow("floor", label_text(before.floor), label_text(wanted.floor)))
    if lines:
        yield Step(
            verb=Verb.CHANGE,
            subject=f"project {wanted.slug}",
            lines=tuple(lines),
            widens=_lowered(before.floor, wanted.floor),
            run=lambda authority: change_project(
                by=authority.by, project=_project(wanted.slug), name=wanted.name, floor=wanted.floor
            ),
        )


def _limits(slug: str, before: Limits, after: Limits) -> Iterator[Step]:
    changed = [name for name in NAMES if getattr(before, name) != getattr(after, name)]
    if changed:
        yield Step(
            verb=Verb.CHANGE,
            subject=f"limits of {slug}",
            lines=tuple(
                arrow(name, str(getattr(before, name)), str(getattr(after, name)))
                for name in changed
            ),
            run=lambda authority: set_limits(by=authority.by, project=_project(slug), limits=after),
        )


def _lowered(before: Label, after: Label) -> tuple[str, ...]:
    return () if covers(after, before) else ("its floor is lowered",)


def _members(
    slug: str, before: Mapping[str, Role], after: Mapping[str, Role] | None, *, prune: bool
) -> Iterator[Step]:
    for email, role in (after or {}).items():
        had = before.get(email)
        if had != role:
            yield Step(
                verb=Verb.CREATE if had is None else Verb.CHANGE,
                subject=f"member {email} of {slug}",
                lines=(f"role: {role}" if had is None else arrow("role", had, role),),
                run=_set_member(slug, email, role),
            )
    if prune and after is not None:
        for email in before:
            if email not in after:
                yield Step(
                    verb=Verb.REMOVE,
                    subject=f"member {email} of {slug}",
                    run=_drop_member(slug, email),
                )


def _word_lists(
    slug: str,
    before: Mapping[str, WordListWanted],
    after: Mapping[str, WordListWanted] | None,
    *,
    prune: bool,
) -> Iterator[Step]:
    for name, words in (after or {}).items():
        had = before.get(name)
        if had == words:
            continue
        widens: list[str] = []
        lines = [f"{len(words.words)} words, category {words.category}"]
        if had is not None:
            # Counts, never the words: they are what the team wants to keep to itself.
            added = len(set(words.words) - set(had.words))
            lost = len(set(had.words) - set(words.words))
            lines = [f"{added} words added, {lost} removed, category {words.category}"]
            if lost:
                widens.append("words are found no more")
            if had.category != words.category:
                widens.append(f"its words were of category {had.category}")
        yield Step(
            verb=Verb.CREATE if had is None else Verb.CHANGE,
            subject=f"word list {name} of {slug}",
            lines=tuple(lines),
            widens=tuple(widens),
            run=_set_words(slug, name, words),
        )
    if prune and after is not None:
        for name in before:
            if name not in after:
                yield Step(
                    verb=Verb.REMOVE,
                    subject=f"word list {name} of {slug}",
                    widens=("its words are found no more",),
                    run=_set_words(slug, name, None),
                )


def plan_policy(
    slug: str, before: Document | None, after: Document | None, known: KnownNames
) -> Iterator[Step]:
    """The policy of a project, or of the organisation (`slug` empty)."""
    if after is None or (before is not None and document_hash(before) == document_hash(after)):
        return
    read = parse_document(after, known)
    old = _read_old(before, known)
    widens = policy_widening(old, read)
    if before is not None and old is None:
        widens = ("the policy in effect cannot be compared", *widens)
    yield Step(
        verb=Verb.CREATE if before is None else Verb.CHANGE,
        subject=f"policy of {f'project {slug}' if slug else 'the organisation'}",
        lines=tuple(_rule_lines(old, read)),
        widens=widens,
        run=lambda authority: publish(
            by=authority.by,
            document=after,
            project=_project(slug) if slug else None,
            reason="configuration file",
            approved_by=authority.approved_by,
            judged=LATER,
        ),
        policy_of=slug,
    )


def _read_old(document: Document | None, known: KnownNames) -> PolicyDocument | None:
    try:
        return parse_document(document, known) if document is not None else None
    except DocumentError:
        return None


def _rule_lines(before: PolicyDocument | None, after: PolicyDocument) -> Iterator[str]:
    old = {rule.id: rule for rule in before.rules} if before is not None else {}
    new = {rule.id: rule for rule in after.rules}
    for rule_id, rule in new.items():
        if rule_id not in old:
            yield f"+ rule {rule_id}"
        elif old[rule_id] != rule:
            yield f"~ rule {rule_id}"
    yield from (f"- rule {rule_id}" for rule_id in old if rule_id not in new)
    if not new and not old:
        yield "no rules"


def archive_project(slug: str) -> Step:
    """The step that takes a project out of use; nothing of it is deleted."""
    return Step(
        verb=Verb.REMOVE,
        subject=f"project {slug}",
        lines=("archived: its keys stop working",),
        run=lambda authority: change_project(
            by=authority.by, project=_project(slug), archived=True
        ),
    )


def _project(slug: str) -> Project:
    return Project.objects.get(slug=slug)


def _set_member(slug: str, email: str, role: Role) -> Run:
    return lambda authority: add_member(
        by=authority.by, project=_project(slug), user=User.objects.get(email=email), role=role
    )


def _drop_member(slug: str, email: str) -> Run:
    return lambda authority: remove_member(
        by=authority.by, project=_project(slug), user=User.objects.get(email=email)
    )


def _grant(slug: str, name: str, *, given: bool) -> Run:
    def run(authority: Authority) -> None:
        change = add_grant if given else remove_grant
        change(
            by=authority.by,
            project=_project(slug),
            deployment=Deployment.objects.get(name=name),
        )

    return run


def _set_words(slug: str, name: str, words: WordListWanted | None) -> Run:
    def run(authority: Authority) -> None:
        if words is None:
            remove_word_list(by=authority.by, project=_project(slug), name=name)
        else:
            set_word_list(
                by=authority.by,
                project=_project(slug),
                name=name,
                category=words.category,
                words=words.words,
            )

    return run
