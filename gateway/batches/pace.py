"""How many rows are with each deployment at once: as many as it answers well, found by trying.

More with every answer until something refuses (doubling per round trip), half as many when it
does, then one more per round trip: what keeps networks from collapsing (Jacobson, 1988). A
deployment's share is this process's alone; interactive requests are not counted and not held up.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

FIRST_LIMIT = 8.0
LEAST_LIMIT = 1.0
MOST_LIMIT = 64.0
LEAST_WAITING = 16
COOL_S = 1.0  # failures of one burst count once


@dataclass(slots=True)
class _Lane:
    limit: float
    in_flight: int = 0
    growing_fast: bool = True
    held: bool = False
    cooled_at_s: float = 0.0
    waiting: deque["asyncio.Future[None]"] = field(default_factory=deque)

    @property
    def free(self) -> bool:
        return not self.held and self.in_flight < int(self.limit)


class Pace:
    """Slots per deployment. For one event loop."""

    def __init__(
        self, *, first: float = FIRST_LIMIT, most: float = MOST_LIMIT, least: float = LEAST_LIMIT
    ) -> None:
        self._first, self._most, self._least = first, most, least
        self._lanes: dict[str, _Lane] = {}

    def limit(self, deployment: str) -> int:
        """How many may be with `deployment` now."""
        return int(self._lane(deployment).limit)

    def in_flight(self, deployment: str) -> int:
        """How many are with it now."""
        return self._lane(deployment).in_flight

    @property
    def capacity(self) -> int:
        """How many may be under way in all, as far as deployments are known."""
        return sum(int(lane.limit) for lane in self._lanes.values()) or int(self._first)

    async def enter(self, deployment: str, *, patience_s: float) -> bool:
        """Wait for a slot. False: none came free in time, or as many wait already as would be let
        in at once: then there is room for rows that go elsewhere. True: `leave` on every path."""
        lane = self._lane(deployment)
        if lane.free and not lane.waiting:
            lane.in_flight += 1
            return True
        if len(lane.waiting) >= max(int(lane.limit), LEAST_WAITING):
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(turn)
        try:
            await asyncio.wait_for(asyncio.shield(turn), patience_s)
        except TimeoutError:
            if turn.done() and not turn.cancelled():
                return True  # the slot was given in the very instant
            lane.waiting.remove(turn)
            return False
        except asyncio.CancelledError:
            if turn.done():
                self.leave(deployment)
            else:
                lane.waiting.remove(turn)
            raise
        return True

    def leave(self, deployment: str) -> None:
        """Give the slot back."""
        lane = self._lane(deployment)
        lane.in_flight -= 1
        self._let_in(lane)

    def served(self, deployment: str) -> None:
        """It answered well: more may go there, if what was allowed was used."""
        lane = self._lane(deployment)
        if lane.in_flight >= int(lane.limit) - 1:
            lane.limit = min(
                lane.limit + (1.0 if lane.growing_fast else 1.0 / lane.limit), self._most
            )
            self._let_in(lane)

    def refused(self, deployment: str, *, now_s: float) -> None:
        """It was too busy, too slow or away: half as many. `now_s` is monotonic."""
        lane = self._lane(deployment)
        lane.growing_fast = False
        if now_s - lane.cooled_at_s >= COOL_S:
            lane.cooled_at_s = now_s
            lane.limit = max(lane.limit / 2, self._least)

    def hold(self, deployment: str) -> None:
        """Others wait there: let nothing in until `let_go`, and half as much then."""
        lane = self._lane(deployment)
        if not lane.held:
            lane.held = True
            lane.growing_fast = False
            lane.limit = max(lane.limit / 2, self._least)

    def let_go(self, deployment: str) -> None:
        """Nobody waits there any more. Harmless for one that is not held."""
        lane = self._lane(deployment)
        if lane.held:
            lane.held = False
            self._let_in(lane)

    def busy(self) -> list[str]:
        """The deployments that rows are with, or wait for, or that are held."""
        return [
            name
            for name, lane in self._lanes.items()
            if lane.in_flight or lane.waiting or lane.held
        ]

    def _lane(self, deployment: str) -> _Lane:
        lane = self._lanes.get(deployment)
        if lane is None:
            lane = self._lanes[deployment] = _Lane(self._first)
        return lane

    def _let_in(self, lane: _Lane) -> None:
        while lane.waiting and lane.free:
            lane.in_flight += 1
            lane.waiting.popleft().set_result(None)
