"""Reading the policies of a configuration file, and what is looked at without noting problems."""

from dataclasses import replace
from typing import cast

from policies.engine.document import DocumentError, KnownNames
from policies.engine.problems import Place, Problem
from policies.services.configuration.wanted import Document
from policies.services.publishing import read_for_project


def require_granted(place: Place, policy: Document | None, slug: str, granted: KnownNames) -> None:
    """Note which deployments a readable policy names without a grant: publishing would refuse."""
    if policy is None:
        return
    try:
        read_for_project(policy, slug, granted)
    except DocumentError as error:
        for problem in error.problems:
            place.problems.append(
                Problem(
                    place.pointer + problem.pointer,
                    "The project is not granted this deployment.",
                    "Add it to the project's grants, or name another.",
                )
            )


def quietly(place: Place | None) -> list[Place]:
    """The items of a list, without noting that it is none."""
    if place is None or not isinstance(place.value, list):
        return []
    return [replace(place, value=item, problems=[]) for item in place.value]


def note(place: Place, error: DocumentError, *, under: bool) -> None:
    """Take over a policy's problems, with their places in this file."""
    for problem in error.problems:
        pointer = place.pointer + problem.pointer if under else place.pointer
        place.problems.append(replace(problem, pointer=pointer))


def read_document(place: Place) -> Document | None:
    """A policy as it stands; None after noting that it is none."""
    if isinstance(place.value, dict) and all(isinstance(key, str) for key in place.value):
        return cast("Document", place.value)
    place.refuse("A policy is a mapping.", "Begin it with `kind:`.")
    return None


def flag(fields: dict[str, Place], name: str) -> bool | None:
    """True or false; None: nothing was said."""
    return fields[name].boolean() if name in fields else None
