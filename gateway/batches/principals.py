"""As whom a batch's rows are asked for: whoever created it, for as long as they may."""

from dataclasses import dataclass

from gateway.accounts.access import may
from gateway.accounts.models import APIKey, User
from gateway.accounts.roles import Role
from gateway.audit.services import now_or_latest_seen
from gateway.batches.models import Batch
from gateway.inference.contracts import Principal, Snapshot
from gateway.snapshot.keys import live_key, principal_of_member


@dataclass(frozen=True, slots=True)
class Creator:
    """Who created a batch. `digest` of their key; empty when a person did it without one."""

    digest: bytes
    member: Principal | None

    def now(self, snapshot: Snapshot) -> Principal | None:
        """The principal by this snapshot; None: the key or the person may not go on."""
        return snapshot.keys.get(self.digest) if self.digest else self.member

    def is_alive(self) -> bool:
        """Whether the database knows them, whatever a snapshot says. Up to three queries."""
        if not self.digest:
            return self.member is not None
        return live_key(self.digest.hex(), now_or_latest_seen()) is not None


def creator_of(batch: Batch) -> Creator:
    """Read who created a batch, and whether a person still may. Up to four queries."""
    if batch.key_id:
        digest = APIKey.objects.filter(pk=batch.key_id).values_list("digest", flat=True).first()
        return Creator(bytes.fromhex(digest) if digest else b"", None)
    kind, _, pk = batch.actor.partition(":")
    person = User.objects.filter(pk=pk).first() if kind == "user" else None
    if person is None or not may(person, batch.project, Role.MEMBER):
        return Creator(b"", None)
    return Creator(b"", principal_of_member(person, batch.project))
