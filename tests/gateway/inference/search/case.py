"""One case of the random search: a world, a request, what fails, and what became of it."""

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from random import Random

from tests.gateway.inference.conftest import Clock
from tests.gateway.inference.search.oracle import Forbidden, forbidden
from tests.gateway.inference.search.requests import Asked, random_request
from tests.gateway.inference.search.servers import FAULTS
from tests.gateway.inference.search.worlds import TODAY, World, random_world

_NOON = datetime.combine(TODAY, time(12), UTC)
_ENDINGS = ("", "", "", "", "", "cancel", "leave")
# What fails inside the gateway, and how often of a hundred.
_INSIDE = (
    *("",) * 84,
    *(
        "journal",
        "label",
        "label",
        "second_scan",
        "budget",
        "budget",
        "budget",
        "stale",
        "stale",
        "old",
    ),
    *("unavailable", "stopped", "stopped_late", "expired", "expired_late", "refused"),
)


@dataclass
class Case:
    """One case, and what became of it."""

    number: int
    world: World
    asked: Asked
    inside: str
    ending: str
    faults: dict[str, str]
    steps: int  # of the loop until the caller goes away
    clock: Clock = field(default_factory=lambda: Clock(at=_NOON))
    scans: int = 0
    fails_at: int = 0
    decided: bool = False
    status: int = 0
    reply: bytes = b""
    masked: int = 0
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def drawn(cls, number: int) -> "Case":
        rng = Random(number)  # noqa: S311 -- drawn again from its number, not secret
        world = random_world(rng)
        asked = random_request(rng, sorted(world.aliases))
        inside = rng.choice(_INSIDE)
        faults = {name: rng.choice(FAULTS) if rng.random() < 0.12 else "" for name in world.places}
        fails_at = {"label": 1, "second_scan": 2}.get(inside, 0)
        steps = rng.randint(0, 25)
        return cls(number, world, asked, inside, rng.choice(_ENDINGS), faults, steps,
                   fails_at=fails_at)  # fmt: skip

    def bans(self) -> dict[str, Forbidden]:
        """What each deployment must not have received."""
        on_prem_only = self.inside in {"stale", "stopped", "stopped_late"}
        return {
            name: forbidden(self.world, self.asked, place, only_on_prem=on_prem_only)
            for name, place in self.world.places.items()
        }

    @property
    def nothing_may_leave(self) -> bool:
        """Whether a control of ours failed so that not even on_prem may be asked."""
        return self.inside in {"journal", "label", "old", "unavailable", "refused"}


# The case that a task works on: clocks and recognizers of one loop are shared by all of them.
running: ContextVar[Case] = ContextVar("case")


@dataclass
class Tally:
    """What all cases came to."""

    cases: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def reached_cloud(self) -> float:
        return self.seen["reached cloud"] / max(1, self.cases)
