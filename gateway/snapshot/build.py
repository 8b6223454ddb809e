"""The whole control plane as one value, read from the database.

INVARIANT: a snapshot is one state of the control plane. Every change moves the control version in
its own transaction, so reading between two equal versions read one state; otherwise it is read
again.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from gateway.accounts.changes import control_version
from gateway.accounts.models import Organisation
from gateway.deployments.addresses import clean_base_url
from gateway.deployments.credentials import CredentialUnreadable, decrypt
from gateway.deployments.models import Deployment
from gateway.inference.contracts import Analyser, Snapshot
from gateway.inference.limits import NO_LIMITS
from gateway.providers.calls import Destination
from gateway.snapshot.keys import live_keys
from gateway.snapshot.limits import read_limits
from gateway.snapshot.projects import MakeAnalyser, Projects
from gateway.usage.prices import prices_of
from policies.classification.analyser import Analyser as Recognizers
from policies.classification.model_recognizers import classes_of
from policies.engine.facts import Zone
from policies.services.views import OwnClasses

log = logging.getLogger(__name__)

_ATTEMPTS = 5


class KeepsChanging(Exception):
    """The control plane changed during every attempt to read it."""


def analyser_for(own: OwnClasses) -> Analyser:
    """The recognizers of a project with these classes of its own. CPU only."""
    return Recognizers(own.word_lists, custom=own.custom, elsewhere=classes_of(own.asked))


class Builder:
    """Builds snapshots one after another; what did not change is the same object again."""

    def __init__(
        self,
        *,
        make_analyser: MakeAnalyser = analyser_for,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        """`now` decides which keys live and which window of a budget runs."""
        self._now = now
        self._projects = Projects(make_analyser)
        self._limits = NO_LIMITS
        self._destinations: Mapping[str, Destination] = {}

    def build(self) -> Snapshot:
        """Read a snapshot. About fifteen queries. Raises DatabaseError, KeepsChanging."""
        for _ in range(_ATTEMPTS):
            version = control_version()
            snapshot = self._read(version, self._now())
            if control_version() == version:
                self._destinations = snapshot.destinations
                self._limits = snapshot.limits
                return snapshot
        raise KeepsChanging(f"the control plane changed during {_ATTEMPTS} readings")

    def _read(self, version: int, now: datetime) -> Snapshot:
        deployments = list(Deployment.objects.all())
        # Not `load()`: a reader writes nothing.
        organisation = Organisation.objects.filter(pk=1).first()
        return Snapshot(
            version=version,
            keys=live_keys(now),
            projects=self._projects.build(deployments),
            destinations=self._read_destinations(deployments),
            prices=prices_of(deployments),
            limits=read_limits(self._limits, now),
            egress_stopped=organisation is not None and organisation.egress_stopped,
        )

    def _read_destinations(self, deployments: list[Deployment]) -> dict[str, Destination]:
        found: dict[str, Destination] = {}
        for row in deployments:
            if not row.enabled or row.proposed:
                continue
            try:
                # Judged again: since it was stored, Sluice itself may have moved there.
                clean_base_url(row.base_url)
                new = destination_of(row)
            except ValidationError as error:
                log.error(  # noqa: TRY400 -- a known condition, no defect
                    "deployment %s has no destination: %s", row.name, " ".join(error.messages)
                )
                continue
            except CredentialUnreadable as error:
                log.error(  # noqa: TRY400 -- a known condition, no defect
                    "deployment %s has no destination: its credential is %s", row.name, error
                )
                continue
            old = self._destinations.get(row.name)
            # The same object when nothing changed: connection pools recognise it.
            found[row.name] = old if old is not None and old == new else new
        return found


def destination_of(row: Deployment) -> Destination:
    """Where a deployment is, with its secret. Raises CredentialUnreadable."""
    zone = Zone(row.zone)
    return Destination(
        deployment=row.name,
        provider=row.provider,
        zone=zone,
        base_url=row.base_url,
        upstream_model=row.upstream_model,
        credential=decrypt(row.credential),
        networks=tuple(settings.ON_PREM_NETWORKS) if zone is Zone.ON_PREM else (),
        connect_timeout_s=row.connect_timeout_s,
        first_byte_timeout_s=row.first_byte_timeout_s,
        idle_timeout_s=row.idle_timeout_s,
        options=dict(row.options),
    )
