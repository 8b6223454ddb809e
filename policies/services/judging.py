"""Whether a document may take effect: its tests pass and no `never` statement is contradicted.

A project's document is judged in its project. The organisation's tests run in a bare project (no
rules of its own, every deployment granted); `never` statements, of the organisation and of every
project, are proven in each project, because widening for all may break what one of them states.
A project's own tests that would fail are consequences, told and no reason to refuse: no project
can keep the organisation from narrowing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.accounts.changes import control_version
from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from gateway.inference.contracts import ProjectView
from policies.engine.compile import CompiledPolicy, compile_policy
from policies.engine.document import Kind, PolicyDocument, Problem
from policies.engine.prove import DEFAULT_LIMIT
from policies.services.analysers import analyser_for
from policies.services.proving import Proved, contradicted, not_proven, prove_in
from policies.services.reading import (
    known_names,
    known_to_projects,
    read_for_organisation,
    read_for_project,
    validate,
)
from policies.services.suspending import suspended_rules
from policies.services.testing import TestResult, run_tests
from policies.services.views import OwnClasses, Shared, compile_for, read_shared, view_of

BARE = "organisation"
# States decided over all projects when the organisation publishes; about 15 µs each.
ALL_PROJECTS_LIMIT = 10 * DEFAULT_LIMIT


class NotPublished(ValueError):
    """A policy that reads, and must not take effect. `problems`: each failure with its place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(problem.as_text() for problem in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a document's tests and `never` statements came to. `consequences`: sentences."""

    tests: tuple[TestResult, ...] = ()
    proofs: tuple[Proved, ...] = ()
    consequences: tuple[str, ...] = ()

    @property
    def unproven(self) -> tuple[Proved, ...]:
        """Statements that were too large to be checked to the end."""
        return not_proven(self.proofs)

    def problems(self, *, accept_unproven: bool = False) -> tuple[Problem, ...]:
        """Why it must not take effect; empty: it may."""
        return tuple(self._problems(accept_unproven))

    def require(self, *, accept_unproven: bool = False) -> None:
        """Raises NotPublished when it must not take effect."""
        problems = self.problems(accept_unproven=accept_unproven)
        if problems:
            raise NotPublished(problems)

    def _problems(self, accept_unproven: bool) -> Iterator[Problem]:
        for test in self.tests:
            if not test.passed:
                told = " ".join(test.problems)
                yield Problem(
                    test.pointer,
                    f"This test (model {test.alias}) fails: {told}",
                    "Change the rules, or the test.",
                )
        for item in contradicted(self.proofs):
            yield Problem(
                *_placed(item),
                "Narrow the rules, or take the statement back.",
            )
        for item in () if accept_unproven else not_proven(self.proofs):
            yield Problem(
                *_placed(item),
                "State less, name fewer classes in rules, or accept it unproven, on the record.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and the control version that it was found at; None: whoever asked judges later."""

    version: int | None
    verdict: Verdict = Verdict()


LATER = Judgement(version=None)


def judge_now(
    document: Mapping[str, object], *, project: Project | None, accept_unproven: bool = False
) -> Judgement:
    """A judgement that lets the document pass. Raises as `judge`, and NotPublished."""
    version = control_version()
    verdict = judge(document, project=project)
    verdict.require(accept_unproven=accept_unproven)
    return Judgement(version=version, verdict=verdict)


def _placed(item: Proved) -> tuple[str, str]:
    whose = f"In project {item.project}" if item.project != BARE else "In a project without rules"
    return item.pointer, f"{whose}: {item.sentence}"


def judge(document: Mapping[str, object], *, project: Project | None) -> Verdict:
    """Run the tests and prove the statements of a document as if it were in effect.

    Raises DocumentError for one that does not read. Reads the database; up to some seconds of CPU.
    """
    read = validate(document, project=project)
    if project is None:
        return _judge_organisation(read)
    shared = read_shared(list(Deployment.objects.all()))
    if not read.tests and not compile_for(project, shared, document).never:
        return Verdict()  # without compiling recognizers for nothing
    view = view_in(project, shared, document)
    return Verdict(
        tests=run_tests(view, read.tests),
        proofs=proofs_in(view.policy, project, shared, DEFAULT_LIMIT),
    )


def tests_of(document: Mapping[str, object], *, project: Project | None) -> tuple[TestResult, ...]:
    """Run a document's tests alone. Raises DocumentError. Reads the database."""
    return judge({**document, "never": []}, project=project).tests


def proofs_of(
    document: Mapping[str, object],
    *,
    project: Project | None,
    statements: Sequence[object] | None = None,
) -> tuple[Proved, ...]:
    """Prove a document's statements, or others in their place. Raises DocumentError.

    With `statements`, what other documents state is left out of the answer.
    """
    if statements is None:
        return judge({**document, "tests": []}, project=project).proofs
    asked = {**document, "tests": [], "never": list(statements)}
    scope = "project" if project is not None else "organisation"
    return tuple(item for item in judge(asked, project=project).proofs if item.scope == scope)


def view_in(project: Project, shared: Shared, document: object | None) -> ProjectView:
    """A project as requests would meet it under this document, without exceptions."""
    analyser = analyser_for(shared.own_classes(project))
    return view_of(project, shared, document=document, analyser=analyser)


def view_with(project: Project, document: Mapping[str, object]) -> ProjectView:
    """A project as requests would meet it if this document, its own or the organisation's, were
    in effect; without exceptions. Raises ValueError (DocumentError) for one that does not read.
    Reads the database."""
    rows = list(Deployment.objects.all())
    if document.get("kind") != Kind.ORGANISATION.value:
        return view_in(project, read_shared(rows), document)
    shared = read_shared(rows, organisation=read_for_organisation(document, known_names()))
    return view_in(project, shared, shared.documents.get(project.pk))


def bare_view(shared: Shared) -> ProjectView:
    """A project without rules and members, granted everything, under the organisation's policy."""
    policy = compile_policy(
        organisation=shared.organisation,
        project=PolicyDocument(kind=Kind.PROJECT, project=BARE),
        project_slug=BARE,
        deployments=shared.facts,
        aliases=shared.aliases,
        grants=frozenset(shared.facts),
    )
    return ProjectView(
        slug=BARE,
        policy=policy,
        analyser=analyser_for(OwnClasses(custom=shared.custom.get(None, ()))),
        models={},
        masking_keys={name: bytes(32) for name in shared.facts},  # nothing of it is ever sent
    )


def _judge_organisation(read: PolicyDocument) -> Verdict:
    shared = read_shared(list(Deployment.objects.all()), organisation=read)
    bare = bare_view(shared) if read.never or read.tests else None
    proofs = list(
        prove_in(bare.policy, bare.analyser, organisation=read, limit=DEFAULT_LIMIT)
        if bare is not None and read.never
        else ()
    )
    consequences: list[str] = []
    left = ALL_PROJECTS_LIMIT
    for project in Project.objects.filter(archived=False).order_by("slug"):
        document = shared.documents.get(project.pk)
        try:
            policy = compile_for(project, shared, document)
        except (ValueError, TypeError, KeyError):
            continue  # it denies already; publishing says so where it reads all projects
        found = proofs_in(policy, project, shared, min(left, DEFAULT_LIMIT))
        left -= max((item.proof.checked for item in found), default=0)
        proofs += found
        consequences += _broken_tests(project, shared, document)
    return Verdict(
        tests=run_tests(bare, read.tests) if bare is not None else (),
        proofs=tuple(proofs),
        consequences=tuple(consequences),
    )


def proofs_in(
    policy: CompiledPolicy, project: Project, shared: Shared, limit: int = DEFAULT_LIMIT
) -> tuple[Proved, ...]:
    """The statements of both policies in a project, with the exceptions that hold there now."""
    if not policy.never:
        return ()
    return prove_in(
        policy,
        analyser_for(shared.own_classes(project)),
        organisation=shared.organisation,
        suspended=suspended_rules(project),
        limit=limit,
    )


def _broken_tests(project: Project, shared: Shared, document: object | None) -> Iterator[str]:
    if document is None:
        return
    known = known_to_projects(shared.known, shared.organisation)
    tests = read_for_project(document, project.slug, known).tests
    if not tests:
        return
    for result in run_tests(view_in(project, shared, document), tests):
        if not result.passed:
            yield f"{project.slug}, {result.pointer}: {' '.join(result.problems)}"
