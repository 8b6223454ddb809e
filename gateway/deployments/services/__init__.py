"""Everything that changes deployments, aliases and grants. Each takes `by`, checks its rights,
owns the transaction and writes the audit event in it."""

from gateway.accounts.services.second_person import SecondPersonNeeded, require_second_person
from gateway.deployments.services.aliases import add_grant, remove_alias, remove_grant, set_alias
from gateway.deployments.services.egress import resume_egress, stop_egress
from gateway.deployments.services.proposals import confirm_proposal, propose
from gateway.deployments.services.registry import (
    change_deployment,
    create_deployment,
    remove_deployment,
    set_enabled,
)

__all__ = [
    "SecondPersonNeeded",
    "add_grant",
    "change_deployment",
    "confirm_proposal",
    "create_deployment",
    "propose",
    "remove_alias",
    "remove_deployment",
    "remove_grant",
    "require_second_person",
    "resume_egress",
    "set_alias",
    "set_enabled",
    "stop_egress",
]
