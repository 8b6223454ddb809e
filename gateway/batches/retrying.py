"""What a row's failure means: the end of it, or another try, and when.

Waiting doubles with each attempt up to a minute, half of it at random, and never ends before what
`Retry-After` asks for. A row is tried as long as the batch lives when nobody took it (a rate
limit, nobody there, a control of ours that failed), and a few times only when somebody may have
worked on it in vain.
"""

import random
import re
from dataclasses import dataclass

from gateway.protocol.errors import (
    FailClosed,
    GatewayError,
    NoDeploymentAvailable,
    RateLimited,
)
from gateway.protocol.retry_after import LONGEST_S

MAX_FAILURES = 5
LONGEST_WAIT_S = 60.0
# Attempts that ended so were not worked on, so trying again costs nobody anything.
_NOBODY_WORKED = frozenset(
    {
        *("connect_failed", "http_429", "http_503", "http_529", "egress_stopped"),
        *("deployment_changed", "provider_missing", "address_refused", "forwards_elsewhere"),
    }
)
# Attempts that ended so may have been answered, and paid for, without our knowing.
_NOBODY_KNOWS = frozenset({"timeout", "closed_early", "protocol_error"})
# What tells a deployment's pace to slow down.
OVERLOADED = frozenset({"http_429", "http_503", "http_529", "timeout", "connect_failed"})
_SECONDS = re.compile("[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `wait_s` seconds. `counts`: it is one of the few tries. `lost`: an answer
    may have been made, and paid for, that never came."""

    wait_s: float
    counts: bool
    lost: bool = False


def after(error: GatewayError, *, tries: int, failures: int, chance: random.Random) -> Again | None:
    """What follows `error` after `tries` that were in vain, `failures` of which counted; None:
    the row has failed."""
    if not isinstance(error, RateLimited | FailClosed | NoDeploymentAvailable):
        return None
    asked = error.headers.get("retry-after", "")
    least_s = int(asked) if _SECONDS.fullmatch(asked) else 0
    wait_s = max(backoff_s(tries, chance), min(least_s, LONGEST_S))
    if not isinstance(error, NoDeploymentAvailable):
        return Again(wait_s, counts=False)
    codes = [code for _, code in attempts_in(error)]
    counts = any(code not in _NOBODY_WORKED for code in codes)
    if counts and failures + 1 >= MAX_FAILURES:
        return None
    return Again(wait_s, counts=counts, lost=not _NOBODY_KNOWS.isdisjoint(codes))


def backoff_s(tries: int, chance: random.Random) -> float:
    """1 s, 2 s, 4 s … 60 s after 0, 1, 2 … tries, of which half is left to chance."""
    whole = min(2.0 ** min(tries, 10), LONGEST_WAIT_S)
    return whole / 2 + chance.random() * whole / 2


def attempts_in(error: GatewayError) -> list[tuple[str, str]]:
    """(deployment, how it failed) of everybody who was tried, in order."""
    found = []
    for attempt in error.headers.get("x-sluice-attempts", "").split(", "):
        words = attempt.split(" ")
        if len(words) == 3:
            found.append((words[0], words[2]))
    return found
