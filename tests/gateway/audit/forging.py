"""What somebody could do to a log: in the database, in an export, with and without the key."""

import base64
import json
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.heads import FIRST_PREVIOUS, SIGNED_AS, root_of

Lines = list[str]
# The places of a row in its chain: name of the record, prefix of its fields.
PARTS = (("decision", ""), ("event", ""), ("outcome", "outcome_"))


def tree(line: str) -> dict[str, Any]:
    return dict(json.loads(line))


def line(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def kinds(lines: Lines, *wanted: str) -> list[int]:
    return [at for at, each in enumerate(lines) if tree(each)["kind"] in wanted]


def records(lines: Lines, writer: str) -> list[tuple[int, int, str, str]]:
    """(seq, line, name, prefix) of every record of a chain, in the order of the chain."""
    found = []
    for at, each in enumerate(lines):
        value = tree(each)
        if value["kind"] in {"request", "event"} and value["writer"] == writer:
            found += [(value[p + "seq"], at, n, p) for n, p in PARTS if n in value]
    return sorted(found)


def rechain(lines: Lines, writer: str) -> Lines:
    """Number a chain's records anew in their order and compute every hash, as if all were true."""
    lines = list(lines)
    [at_chain] = [at for at in kinds(lines, "chain") if tree(lines[at])["writer"] == writer]
    chain = tree(lines[at_chain])
    hash_, number = chain["base"], chain["first"] - 1
    for _, at, name, prefix in records(lines, writer):
        number += 1
        value = tree(lines[at])
        text = json.dumps(value[name], separators=(",", ":"), ensure_ascii=False).encode()
        link = sha256(bytes.fromhex(hash_) + number.to_bytes(8, "big") + text).hexdigest()
        value |= {prefix + "seq": number, prefix + "prev": hash_, prefix + "hash": link}
        lines[at], hash_ = line(value), link
    lines[at_chain] = line(chain | {"last": number, "hash": hash_})
    return lines


def resign(lines: Lines, key: Ed25519PrivateKey) -> Lines:
    """Every head anew over the chains as they are now, by somebody who has the key."""
    lines = list(lines)
    previous = FIRST_PREVIOUS
    writers = {tree(lines[at])["writer"] for at in kinds(lines, "chain")}
    hashes = {
        (writer, seq): tree(lines[at])[prefix + "hash"]
        for writer in writers
        for seq, at, _, prefix in records(lines, writer)
    }
    for at in kinds(lines, "head"):
        value = tree(lines[at])
        chains: list[tuple[str, int, str]] = []
        for writer, seq, _ in value["chains"]:
            left = seq
            while left and (writer, left) not in hashes:
                left -= 1
            if left:
                chains.append((writer, left, hashes[writer, left]))
        body = json.loads(value["body"])
        body |= {"previous": previous, "root": root_of(previous, chains), "chains": len(chains)}
        text = json.dumps(body, separators=(",", ":"))
        signature = base64.b64encode(key.sign(SIGNED_AS + text.encode())).decode()
        lines[at] = line(value | {"body": text, "signature": signature, "chains": chains})
        previous = sha256(text.encode()).hexdigest()
    return lines


# --- mutations: each takes the lines and a source of chance -----------------------------------


def edit(lines: Lines, chance: Random) -> Lines:
    """One character of evidence."""
    at = chance.choice(kinds(lines, "request", "event", "head", "chain"))
    value = lines[at]
    begin = value.index(":", value.index('"kind"') + 8) + 1
    state = value.find('"outcome_state"')
    places = [
        place
        for place in range(begin, len(value) - 2)
        if value[place].isalnum() and not (0 <= state <= place < state + 30)
    ]
    place = chance.choice(places)
    other = chance.choice([char for char in "0123456789abcdef" if char != value[place]])
    return [*lines[:at], value[:place] + other + value[place + 1 :], *lines[at + 1 :]]


def delete(lines: Lines, chance: Random) -> Lines:
    at = chance.randrange(1, len(lines))
    return lines[:at] + lines[at + 1 :]


def repeat(lines: Lines, chance: Random) -> Lines:
    at, to = chance.randrange(1, len(lines)), chance.randrange(1, len(lines))
    return [*lines[:to], lines[at], *lines[to:]]


def reorder(lines: Lines, chance: Random) -> Lines:
    one, other = chance.sample(range(1, len(lines)), 2)
    lines = list(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def _some_chain(lines: Lines, chance: Random) -> str:
    return str(tree(lines[chance.choice(kinds(lines, "chain"))])["writer"])


def delete_and_rechain(lines: Lines, chance: Random) -> Lines:
    writer = _some_chain(lines, chance)
    _, at, _, _ = chance.choice(records(lines, writer))
    return rechain(lines[:at] + lines[at + 1 :], writer)


def edit_and_rechain(lines: Lines, chance: Random) -> Lines:
    writer = _some_chain(lines, chance)
    _, at, name, _ = chance.choice(records(lines, writer))
    value = tree(lines[at])
    value[name] |= {"forged": chance.random()}
    return rechain([*lines[:at], line(value), *lines[at + 1 :]], writer)


def backdate_and_rechain(lines: Lines, chance: Random) -> Lines:
    writer = _some_chain(lines, chance)
    _, at, name, _ = chance.choice(records(lines, writer))
    value = tree(lines[at])
    value[name] |= {"at": value[name]["at"] - chance.uniform(1, 1e6)}
    return rechain([*lines[:at], line(value), *lines[at + 1 :]], writer)


def truncate(lines: Lines, chance: Random) -> Lines:
    """The end of a chain, and of the heads what names it."""
    writer = _some_chain(lines, chance)
    places = sorted({at for _, at, _, _ in records(lines, writer)})
    cut = set(places[-chance.randint(1, len(places)) :])
    lines = rechain([each for at, each in enumerate(lines) if at not in cut], writer)
    if chance.random() < 0.5:
        heads = kinds(lines, "head")
        gone = set(heads[chance.randrange(len(heads)) :])
        lines = [each for at, each in enumerate(lines) if at not in gone]
    return lines


def whole_anew(key: Ed25519PrivateKey) -> Callable[[Lines, Random], Lines]:
    """Any forgery, and then every head signed again with the key."""

    def mutate(lines: Lines, chance: Random) -> Lines:
        forge = chance.choice([delete_and_rechain, edit_and_rechain, backdate_and_rechain])
        return resign(forge(lines, chance), key)

    return mutate
