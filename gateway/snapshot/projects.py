"""Each project as the path sees it: compiled policy, recognizers, models.

INVARIANT: a project whose policy cannot be read is left out, and the path then refuses its
requests (503 `fail_closed`, `policy`). It takes no other project down with it. The organisation's
policy stands above all, so without it no project is built.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.accounts.models import Project
from gateway.accounts.services import floor_of
from gateway.content.services import projects_that_keep
from gateway.deployments.models import Deployment
from gateway.inference.contracts import Analyser, ProjectView
from policies.engine.decide import CompiledPolicy
from policies.services.shadows import shadow_documents
from policies.services.suspending import NOTHING, suspending_by_project
from policies.services.views import OwnClasses, Shared, compile_shadow, read_shared, view_of

log = logging.getLogger(__name__)

MakeAnalyser = Callable[[OwnClasses], Analyser]


class Projects:
    """Builds project views; keeps what was compiled for as long as what it came from stays.

    Most changes are a key or a member: these compile nothing (100 projects with 20 rules each
    take 230 ms to compile).
    """

    def __init__(self, make_analyser: MakeAnalyser) -> None:
        self._make_analyser = make_analyser
        self._analysers: dict[OwnClasses, Analyser] = {}
        self._context: object = None
        self._keeping: frozenset[str] = frozenset()
        self._views: dict[Any, tuple[object, ProjectView]] = {}

    def build(self, deployments: Sequence[Deployment]) -> dict[str, ProjectView]:
        """The views of all projects that can be built, by slug. Fourteen queries."""
        try:
            shared = read_shared(deployments)
        except (ValueError, TypeError, KeyError) as error:
            log.critical(
                "the organisation's policy cannot be read (%s): every project denies until a "
                "valid one is published",
                type(error).__name__,
            )
            return {}
        if shared.context() != self._context:
            self._context, self._views = shared.context(), {}
        views: dict[str, ProjectView] = {}
        used: set[OwnClasses] = set()
        self._keeping = projects_that_keep()
        suspending, shadows = suspending_by_project(), shadow_documents()
        for project in Project.objects.filter(archived=False):
            try:
                view = self._view(project, shared, used, shadows.get(project.pk))
                suspended = suspending.get(project.pk, NOTHING).under(view.policy)
                views[project.slug] = replace(view, suspensions=suspended) if suspended else view
            except (ValueError, TypeError, KeyError) as error:
                log.error(  # noqa: TRY400 -- the exception's text may quote the policy
                    "the policy of project %s cannot be read (%s): the project denies until a "
                    "valid one is published",
                    project.slug,
                    type(error).__name__,
                )
        self._analysers = {key: self._analysers[key] for key in used if key in self._analysers}
        return views

    def _view(
        self,
        project: Project,
        shared: Shared,
        used: set[OwnClasses],
        shadow: Mapping[str, object] | None,
    ) -> ProjectView:
        own = shared.own_classes(project)
        used.add(own)
        inputs = (
            project.slug,
            floor_of(project),
            shared.documents.get(project.pk),
            shared.grants.get(project.pk),
            shared.asked_in(project),
            own,
            project.masking_secret,
            project.slug in self._keeping,
            shadow,
        )
        before, view = self._views.get(project.pk, (None, None))
        if view is None or before != inputs:
            view = view_of(
                project,
                shared,
                document=shared.documents.get(project.pk),
                analyser=self._analyser(own),
            )
            view = replace(
                view,
                keeps_content=project.slug in self._keeping,
                shadow=_shadow(project, shared, shadow),
            )
            self._views[project.pk] = (inputs, view)
        return view

    def _analyser(self, own: OwnClasses) -> Analyser:
        if own not in self._analysers:
            self._analysers[own] = self._make_analyser(own)
        return self._analysers[own]


def _shadow(
    project: Project, shared: Shared, document: Mapping[str, object] | None
) -> CompiledPolicy | None:
    """What is decided beside the policy; None also for one that reads no more: it has no effect."""
    if document is None:
        return None
    try:
        return compile_shadow(project, shared, document)
    except (ValueError, TypeError, KeyError) as error:
        log.error(  # noqa: TRY400 -- the exception's text may quote the policy
            "the policy in shadow in project %s cannot be read (%s) and is left out",
            project.slug,
            type(error).__name__,
        )
        return None
