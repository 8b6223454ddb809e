"""Looks at model servers and policies: who is reachable, and what the policies promise."""

import asyncio
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from gateway.operations.doctor.findings import Finding, odd, well, wrong
from gateway.providers.addresses import checked_addresses
from gateway.providers.calls import Destination, ProviderError
from gateway.snapshot.build import Builder
from policies.engine.facts import Zone
from policies.services.proving import contradicted, not_proven, prove_in
from policies.services.suspending import suspended_rules

_PATIENCE_S = 5.0


def deployments() -> Iterator[Finding]:
    """Whether every enabled deployment has an allowed address that takes connections.

    Nothing is asked of it: a connection is opened and closed.
    """
    destinations = Builder().build().destinations
    enabled = Deployment.objects.filter(enabled=True, proposed=False)
    for name in sorted(set(enabled.values_list("name", flat=True)) - set(destinations)):
        yield wrong(f"{name} has no usable destination", "see the log: its address or credential")
    if not destinations:
        yield odd("no deployment is enabled", "confirm one: `manage.py deployments list`")
    for name, why in asyncio.run(_reach(destinations.values())):
        if why:
            yield wrong(f"{name} is not reachable: {why}", "start it, or disable the deployment")
        else:
            yield well(f"{name} is reachable")


async def _reach(destinations: Iterable[Destination]) -> list[tuple[str, str]]:
    return list(await asyncio.gather(*(_try(each) for each in destinations)))


async def _try(to: Destination) -> tuple[str, str]:
    parts = urlsplit(to.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            addresses = await checked_addresses(
                parts.hostname or "",
                port,
                zone=to.zone,
                networks=to.networks,
                allow_private=to.options.get("allow_private") == "yes",
            )
            _, writer = await asyncio.open_connection(addresses[0], port)
            writer.close()
            await writer.wait_closed()
    except ProviderError as error:
        return to.deployment, error.operator_detail
    except TimeoutError:
        return to.deployment, f"nothing within {_PATIENCE_S:.0f} s"
    except OSError as error:
        return to.deployment, error.strerror or type(error).__name__
    return to.deployment, ""


def policies() -> Iterator[Finding]:
    """Whether every `never` statement holds, checked exhaustively with what is granted now."""
    snapshot = Builder().build()
    proven = 0
    for slug in Project.objects.filter(archived=False).values_list("slug", flat=True):
        if slug not in snapshot.projects:
            yield wrong(
                f"{slug}: its policy cannot be read, so every request there is refused",
                "publish a policy that validates: `manage.py policy validate`, or roll back",
            )
    for project in Project.objects.filter(slug__in=list(snapshot.projects)).order_by("slug"):
        slug, view = project.slug, snapshot.projects[project.slug]
        suspended = suspended_rules(project)
        proofs = prove_in(view.policy, view.analyser, organisation=None, suspended=suspended)
        for item in contradicted(proofs):
            yield wrong(f"{slug}: {item.sentence}", "change the policy, or the grants")
        for item in not_proven(proofs):
            yield odd(f"{slug}: {item.sentence}", "too large to be checked to its end")
        proven += sum(item.proof.proven for item in proofs)
        if not proofs and any(
            facts.zone is not Zone.ON_PREM for facts in view.policy.deployments.values()
        ):
            yield odd(
                f"{slug} may reach the cloud and states nothing that must never happen",
                "add a `never` statement to its policy",
            )
    yield well(f"{proven} statements of {len(snapshot.projects)} projects are proven")
