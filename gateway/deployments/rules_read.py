"""What rules in effect make of a deployment whose stated attributes change, told by somebody else.

Rules choose deployments by vendor, region, retention and training, and stand above what is changed
here; they say at the start how they read (`read_with`). INVARIANT: while nobody has, none of these
attributes changes.
"""

from collections.abc import Callable

from policies.engine.facts import DeploymentFacts

# Takes a deployment before and after. Returns a sentence for each rule that gives it more. Reads
# the database.
Reads = Callable[[DeploymentFacts, DeploymentFacts], tuple[str, ...]]

_registered: list[Reads] = []


def read_with(reads: Reads) -> None:
    """Say how rules read deployments. Once, when the applications are loaded."""
    _registered[:] = [reads]


def what_rules_give(before: DeploymentFacts, after: DeploymentFacts) -> tuple[str, ...]:
    """How rules in effect give the deployment more than before; empty: none does.

    The zone counts as if it had been the new one all along: it is judged by itself. Reads the
    database where an attribute differs. Raises RuntimeError while nobody said how rules read.
    """
    if _stated(before) == _stated(after):
        return ()
    if not _registered:
        raise RuntimeError("nobody reads rules, so nothing that they read changes")
    return _registered[0](before, after)


def _stated(facts: DeploymentFacts) -> tuple[object, ...]:
    """What selectors read of a deployment beside its name and its zone."""
    return facts.vendor, facts.region, facts.retention_days, facts.trains_on_data
