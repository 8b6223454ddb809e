"""Signed heads: where every chain stood at one time. Pure: no Django, no clock, no file.

A head's signed text is one JSON object

    {"head":N,"at":T,"key":K,"previous":H,"root":R,"chains":C}

with H the SHA-256 of the head before (FIRST_PREVIOUS before the first) and R the Merkle root over
H and the C chains that grew since that head, each as (writer, seq, hash). So the newest head
vouches for all before it and, through them, for every chain. The list of these chains travels
beside the signed text and is bound to it by the root: an anchor may keep the text alone.

INVARIANT: this module and `offline` need the standard library and `cryptography`, nothing else,
because third parties run them.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIRST_PREVIOUS: Final = sha256(b"sluice heads").hexdigest()
SIGNED_AS: Final = b"sluice head 1\n"
KEPT_CHECKPOINTS: Final = 4096  # of one chain in memory
_END_OF_KEY: Final = "-----END PUBLIC KEY-----"
_decode_at = json.JSONDecoder().raw_decode


class Malformed(Exception):
    """Something is not in the format; the text says what, without content."""


def merkle_root(leaves: list[bytes]) -> str:
    """The tree of RFC 6962, section 2.1, over SHA-256, in hex: 0 before a leaf, 1 before a node."""
    level = [sha256(b"\0" + leaf).digest() for leaf in leaves]
    if not level:
        return sha256(b"").hexdigest()

    def tree(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return part[0]
        split = 1 << (len(part) - 1).bit_length() - 1
        return sha256(b"\1" + tree(part[:split]) + tree(part[split:])).digest()

    return tree(level).hex()


def root_of(previous: str, chains: Iterable[tuple[str, int, str]]) -> str:
    """Root over the head before (its hash in hex) and where each chain stands."""
    leaves = [f"head {previous}".encode(errors="surrogatepass")]
    leaves += [
        f"chain {writer} {seq} {hash_}".encode(errors="surrogatepass")
        for writer, seq, hash_ in chains
    ]
    return merkle_root(leaves)


def key_id(key: Ed25519PublicKey) -> str:
    """A public key's short name: the start of its SHA-256."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return sha256(raw).hexdigest()[:16]


def load_keys(pem: str) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a PEM file, by their short names. Raises Malformed."""
    keys: dict[str, Ed25519PublicKey] = {}
    for part in pem.split(_END_OF_KEY)[:-1]:
        try:
            key = serialization.load_pem_public_key((part.strip() + "\n" + _END_OF_KEY).encode())
        except (ValueError, UnsupportedAlgorithm):
            raise Malformed("the public key cannot be read") from None
        if not isinstance(key, Ed25519PublicKey):
            raise Malformed("the public key is not an Ed25519 key")
        keys[key_id(key)] = key
    if not keys:
        raise Malformed("there is no public key in the file")
    return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A signed statement of where the chains stood. `hash` is that of the signed text."""

    number: int
    at: datetime
    key: str
    previous: str
    root: str
    hash: str
    chains: tuple[tuple[str, int, str], ...]
    chains_known: bool  # whether the list came along, whole
    why: str = ""  # what is wrong with its signature or its list

    @classmethod
    def read(cls, line: dict[str, Any], keys: dict[str, Ed25519PublicKey]) -> "Head":
        """From a line of an export or an anchor. Raises Malformed."""
        try:
            body = str(line["body"]).encode(errors="surrogatepass")
            tree = json.loads(body)
            listed = line.get("chains")
            chains = tuple((str(w), int(seq), str(hash_)) for w, seq, hash_ in listed or ())
            number, at = int(tree["head"]), datetime.fromisoformat(tree["at"])
            key, previous, root = str(tree["key"]), str(tree["previous"]), str(tree["root"])
            count = int(tree["chains"])
            written = str(line["signature"])
            signature = base64.b64decode(written, validate=True)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            raise Malformed("a head cannot be read") from None
        why = ""
        if key not in keys:
            why = "it is signed with another key"
        elif base64.b64encode(signature).decode() != written:
            # The last character has bits to spare: several would decode to the same bytes.
            why = "its signature was changed"
        else:
            try:
                keys[key].verify(signature, SIGNED_AS + body)
            except InvalidSignature:
                why = "its signature is not of its text"
        if not why and listed is not None and root_of(previous, chains) != root:
            why = "its chains were changed: they do not give its root"
        return cls(
            number=number,
            at=at if at.tzinfo else at.replace(tzinfo=UTC),
            key=key,
            previous=previous,
            root=root,
            hash=sha256(body).hexdigest(),
            chains=chains,
            chains_known=listed is not None and len(chains) == count,
            why=why,
        )


class Checkpoint(NamedTuple):
    """What a head says of one chain. `after`: time of the head before, which has less of it."""

    seq: int
    hash: str
    head: int
    after: datetime | None


@dataclass(slots=True)
class Sealed:
    """What the heads say of one chain, in its order. Few enough for the memory: of more than
    KEPT_CHECKPOINTS every second one is let go, never the last."""

    points: list[Checkpoint] = field(default_factory=list)
    place: int = 0  # of the next one to pass
    agreed: Checkpoint | None = None

    def add(self, point: Checkpoint) -> bool:
        """One more. False: it says no more than the ones before, so the heads are at odds."""
        if self.points and point.seq <= self.points[-1].seq:
            return False
        self.points.append(point)
        if len(self.points) > KEPT_CHECKPOINTS:
            first, second = self.points[:-1:2], self.points[1::2]
            kept = [b._replace(after=a.after) for a, b in zip(first, second, strict=False)]
            self.points = kept if kept[-1].seq == point.seq else [*kept, point]
        return True

    def begin(self, *, seq: int, hash_: str) -> str:
        """The chain begins after record `seq`. What is wrong with that, or empty."""
        self.place = 0
        self.agreed = None
        while self.place < len(self.points) and self.points[self.place].seq < seq:
            self.agreed = self.points[self.place]
            self.place += 1
        return self.passed(seq=seq, hash_=hash_) if seq else ""

    @property
    def last_seq(self) -> int:
        """Up to which record the chain is sealed; 0: it is not."""
        return self.points[-1].seq if self.points else 0

    @property
    def next_seq(self) -> int:
        """Of the record that the next checkpoint names; -1: there is none."""
        return self.points[self.place].seq if self.place < len(self.points) else -1

    def passed(self, *, seq: int, hash_: str) -> str:
        """The chain came to this record. Why it is not the one that was sealed, or empty."""
        while self.place < len(self.points) and self.points[self.place].seq == seq:
            point = self.points[self.place]
            if point.hash != hash_:
                begin = self.agreed.seq + 1 if self.agreed else 1
                span = f"record {seq} is" if begin == seq else f"records {begin} to {seq} are"
                return f"{span} not what head {point.head} sealed: the chain was written anew"
            self.agreed = point
            self.place += 1
        return ""

    def ended(self, *, seq: int) -> str:
        """The chain ends here. What the heads know beyond, or empty."""
        last = self.points[-1] if self.points else None
        if last is None or last.seq <= seq:
            return ""
        span = f"record {last.seq} is" if last.seq == seq + 1 else f"{seq + 1} to {last.seq} are"
        return f"the chain ends at record {seq}, head {last.head} sealed more: {span} missing"


@dataclass(slots=True)
class Heads:
    """The heads of an export or a database in their order, and what is wrong with them."""

    by_chain: dict[str, Sealed] = field(default_factory=dict)
    count: int = 0
    last: Head | None = None
    breaks: list[str] = field(default_factory=list)
    hashes: dict[int, bytes] = field(default_factory=dict)

    def add(self, head: Head) -> None:
        """The next head. One that does not hold is named and says nothing of any chain."""
        before, self.count = self.last, self.count + 1
        number, previous = (before.number + 1, before.hash) if before else (1, FIRST_PREVIOUS)
        why = head.why
        if not why and not head.chains_known:
            why = "its list of chains is missing"
        if not why and head.number != number:
            why = f"it stands where head {number} should"
        if not why and head.previous != previous:
            why = "it does not follow the head before it: one of them was replaced"
        if not why and before and head.at < before.at:
            why = "it is dated before the head before it"
        if why:
            self.breaks.append(f"head {head.number}: {why}")
        else:
            for writer, seq, hash_ in head.chains:
                point = Checkpoint(seq, hash_, head.number, before.at if before else None)
                if not self.of(writer).add(point):
                    self.breaks.append(f"head {head.number}: chain {writer} went back in it")
        self.hashes[head.number] = bytes.fromhex(head.hash)
        self.last = head

    def of(self, writer: str) -> Sealed:
        """What is known of a chain."""
        return self.by_chain.setdefault(writer, Sealed())

    def compare(self, anchored: Iterable[Head], *, as_of: datetime | None = None) -> int:
        """Hold against heads kept elsewhere; returns how many were compared.

        An anchored head later than `as_of` is not missed. What an anchored head that is missing
        here says of the chains is missed there, too.
        """
        compared = 0
        last = self.last.number if self.last else 0
        for head in anchored:
            if head.why:
                self.breaks.append(f"anchored head {head.number}: {head.why}")
                continue
            if as_of is not None and head.at > as_of:
                continue
            compared += 1
            known = self.hashes.get(head.number)
            if known is None:
                where = f"the heads end at {last}" if head.number > last else "it is missing"
                text = f"anchored head {head.number} of {head.at:%Y-%m-%dT%H:%M:%SZ}: {where}"
                self.breaks.append(text)
                for writer, seq, hash_ in head.chains:
                    self.of(writer).add(Checkpoint(seq, hash_, head.number, None))
            elif known.hex() != head.hash:
                self.breaks.append(
                    f"head {head.number} is not the one that was anchored: it was signed anew"
                )
        return compared


def read_anchor(lines: Iterable[str], keys: dict[str, Ed25519PublicKey]) -> Iterator[Head]:
    """The heads in a file of an anchor; what stands before a line's first brace is left out."""
    for line in lines:
        start = line.find('{"kind":"head"')
        if start >= 0:
            try:
                tree, _ = _decode_at(line, start)
            except (ValueError, RecursionError):
                raise Malformed("a head in the anchor cannot be read") from None
            yield Head.read(tree, keys)
