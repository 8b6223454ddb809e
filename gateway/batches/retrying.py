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

MAX_FAILURES = 5
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 3600
# Attempts that ended so were not worked on, so trying again costs nobody anything.
_NOBODY_WORKED = frozenset(
    {
        *("connect_failed", "http_429", "http_503", "http_529", "egress_stopped"),
        *("deployment_changed", "provider_missing", "address_refused", "forwards_elsewhere"),
    }
)
# What tells a deployment's pace to slow down.
OVERLOADED = frozenset({"http_429", "http_503", "http_529", "timeout", "connect_failed"})
_SECONDS = re.compile("[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after `wait_s` seconds. `counts`: it is one of the few tries."""

    wait_s: float
    counts: bool


def after(
    error: GatewayError, *, attempt: int, failures: int, chance: random.Random
) -> Again | None:
    """What follows `error` in a row's `attempt` (from 1) after `failures` that counted; None:
    the row has failed."""
    if isinstance(error, RateLimited):
        asked = error.headers.get("retry-after", "")
        least_s = int(asked) if _SECONDS.fullmatch(asked) else 0
        wait_s = max(backoff_s(attempt, chance), min(least_s, LONGEST_RETRY_AFTER_S))
        return Again(wait_s, counts=False)
    if isinstance(error, FailClosed):
        return Again(backoff_s(attempt, chance), counts=False)
    if isinstance(error, NoDeploymentAvailable):
        counts = any(code not in _NOBODY_WORKED for _, code in attempts_in(error))
        if counts and failures + 1 >= MAX_FAILURES:
            return None
        return Again(backoff_s(attempt, chance), counts=counts)
    return None


def backoff_s(attempt: int, chance: random.Random) -> float:
    """1 s, 2 s, 4 s … 60 s, of which half is left to chance."""
    whole = min(2.0 ** min(attempt - 1, 10), LONGEST_WAIT_S)
    return whole / 2 + chance.random() * whole / 2


def attempts_in(error: GatewayError) -> list[tuple[str, str]]:
    """(deployment, how it failed) of everybody who was tried, in order."""
    found = []
    for attempt in error.headers.get("x-sluice-attempts", "").split(", "):
        words = attempt.split(" ")
        if len(words) == 3:
            found.append((words[0], words[2]))
    return found
