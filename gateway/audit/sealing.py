"""Seals the chains: a signed head over where each of them stands in the database.

A head costs one query and two writes, whatever the log holds. When nothing was written since the
head before, the next one waits for an hour, so that an idle house signs 24 a day, not 1,440.
"""

import base64
import logging
import os
from dataclasses import replace
from datetime import UTC, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from gateway.audit.heads import FIRST_PREVIOUS, SIGNED_AS, Head, Heads, key_id, load_keys, root_of
from gateway.audit.models import Writer
from gateway.audit.pages import in_pages
from gateway.audit.sealing_models import SealedChain, SignedHead
from gateway.audit.signing import public_pem, signing_key

log = logging.getLogger(__name__)

IDLE: Final = timedelta(hours=1)
LAST_HEAD_FILE: Final = "audit.head"
_encode = msgspec.json.Encoder().encode


def seal(*, even_idle: bool = False) -> SignedHead | None:
    """Sign a head of how the chains stand now; None when nothing changed since the last one, or
    when another process signed one at this moment.

    Raises KeyUnreadable, DatabaseError. One transaction; then the head's text is kept beside the
    database, too (`audit.head`), so that a database set back by itself is noticed.
    """
    key = signing_key(settings.AUDIT_KEY_FILE)
    try:
        with transaction.atomic():
            head = _sealed(key, even_idle=even_idle)
    except IntegrityError:
        return None
    if head is not None:
        _keep(head, settings.VAR_DIR / LAST_HEAD_FILE)
    return head


def _sealed(key: Ed25519PrivateKey, *, even_idle: bool) -> SignedHead | None:
    last = SignedHead.objects.order_by("-number").first()
    grown = _grown()
    now = timezone.now()
    if last is not None:
        now = max(now, last.at)  # a clock that was set back
        if not grown and not even_idle and now - last.at < IDLE:
            return None
    number = last.number + 1 if last else 1
    previous = last.digest if last else FIRST_PREVIOUS
    body = _encode(
        {
            "head": number,
            "at": now.astimezone(UTC).isoformat(timespec="microseconds"),
            "key": key_id(key.public_key()),
            "previous": previous,
            "root": root_of(previous, grown),
            "chains": len(grown),
        }
    )
    head = SignedHead(
        number=number,
        at=now,
        body=body.decode(),
        signature=base64.b64encode(key.sign(SIGNED_AS + body)).decode(),
        digest=sha256(body).hexdigest(),
        chains=grown,
    )
    head.save()
    SealedChain.objects.bulk_create(
        [SealedChain(writer_id=id_, seq=seq, hash=hash_, head=number) for id_, seq, hash_ in grown],
        update_conflicts=True,
        unique_fields=["writer"],
        update_fields=["seq", "hash", "head"],
    )
    return head


def _grown() -> list[tuple[str, int, str]]:
    """The chains that have records which no head has sealed."""
    rows = Writer.objects.filter(last_seq__gt=0).exclude(sealed__seq=F("last_seq"))
    grown: list[tuple[str, int, str]] = []
    fields = ("pk", "last_seq", "last_hash", "sealed__seq")
    for writer, seq, hash_, sealed in rows.order_by("pk").values_list(*fields):
        if sealed is not None and seq < sealed:
            # Never sealed anew: `verify` names what is missing.
            log.error("chain %s ends at record %d, a head sealed %d", writer, seq, sealed)
            continue
        grown.append((writer, seq, hash_))
    return grown


def head_line(head: SignedHead, *, with_chains: bool = True) -> str:
    """A head as exports and anchors carry it, without a newline. Nothing in it is content."""
    tree: dict[str, Any] = {"kind": "head", "body": head.body, "signature": head.signature}
    if with_chains:
        tree["chains"] = head.chains
    return _encode(tree).decode()


def _keep(head: SignedHead, path: Path) -> None:
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        hidden.write_text(head_line(head) + "\n", encoding="ascii")
        hidden.replace(path)
    except OSError as error:
        log.warning("the last head cannot be kept in %s: %s", path, error.strerror)


def public_keys() -> dict[str, Ed25519PublicKey]:
    """The keys that heads may be signed with, by their short names. Raises KeyUnreadable.

    The present one, and those of the file beside it that ends in `.old.pem`, where a key that was
    replaced leaves its public half.
    """
    path = settings.AUDIT_KEY_FILE
    pem = public_pem(signing_key(path))
    old = path.with_suffix(".old.pem")
    if old.exists():
        pem += old.read_text(encoding="ascii")
    return load_keys(pem)


def heads_of_database(keys: dict[str, Ed25519PublicKey]) -> Heads:
    """All heads, each checked. One short query per page."""
    heads = Heads()
    for row in in_pages(SignedHead.objects.all(), by="number", key=lambda row: row.number):
        heads.add(as_head(row, keys))
    return heads


def as_head(row: SignedHead, keys: dict[str, Ed25519PublicKey]) -> Head:
    """A row as its verifier reads it; the row's own columns must say the same."""
    line = {"body": row.body, "signature": row.signature, "chains": row.chains}
    head = Head.read(line, keys)
    if not head.why and (head.number, head.hash) != (row.number, row.digest):
        return replace(head, why="its row says something else than its text")
    return head


def sealed_age() -> timedelta | None:
    """How long ago the newest head was signed; None: there is none."""
    last = SignedHead.objects.order_by("-number").first()
    return timezone.now() - last.at if last else None
