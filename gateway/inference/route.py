"""In which order the permitted candidates are tried. Never which: that is the permit's.

Two things reorder: a deployment that just failed goes last for a while, and replicas (neighbours
in the order that run the same upstream model in the same zone) share the load by requests in
flight.
"""

from collections.abc import Mapping, Sequence

from gateway.providers.calls import Destination
from policies.engine.permit import Candidate

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class Router:
    """Passive health and load of each deployment, as this process sees it. No I/O, no clock."""

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._pauses: dict[str, tuple[float, float]] = {}  # name -> (until, length)
        self._turn = 0

    def order(
        self,
        candidates: Sequence[Candidate],
        destinations: Mapping[str, Destination],
        *,
        now_s: float,
    ) -> Sequence[Candidate]:
        """The same candidates, the healthy first, replicas by load. `now_s` is monotonic."""
        if len(candidates) == 1:
            return candidates
        self._turn += 1
        group = 0
        previous: tuple[object, ...] | None = None
        keyed: list[tuple[tuple[bool, int, int, int], Candidate]] = []
        for index, candidate in enumerate(candidates):
            kind = _kind(destinations.get(candidate.deployment))
            if kind is None or kind != previous:
                group = index
            previous = kind
            name = candidate.deployment
            pause = self._pauses.get(name)
            paused = pause is not None and now_s < pause[0]
            # Equal loads take turns, or a quiet gateway would only ever use the first replica.
            turn = (index - self._turn) % len(candidates)
            keyed.append(((paused, group, self._in_flight.get(name, 0), turn), candidate))
        keyed.sort(key=lambda pair: pair[0])
        return [candidate for _, candidate in keyed]

    def started(self, deployment: str) -> None:
        """A request is on its way to `deployment`."""
        self._in_flight[deployment] = self._in_flight.get(deployment, 0) + 1

    def ended(self, deployment: str) -> None:
        """It is over, however."""
        left = self._in_flight.get(deployment, 0) - 1
        if left > 0:
            self._in_flight[deployment] = left
        else:
            self._in_flight.pop(deployment, None)

    def loads(self) -> Mapping[str, int]:
        """Requests in flight by deployment; those without any are left out."""
        return self._in_flight

    def state(self, deployment: str, *, now_s: float) -> tuple[int, bool]:
        """Requests in flight, and whether it goes last for what happened lately."""
        until, _ = self._pauses.get(deployment, (0.0, 0.0))
        return self._in_flight.get(deployment, 0), now_s < until

    def failed(self, deployment: str, *, now_s: float) -> None:
        """It could not serve: others first for 1 s, doubled with each failure up to 30 s."""
        _, length = self._pauses.get(deployment, (0.0, 0.0))
        length = min(max(length * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._pauses[deployment] = (now_s + length, length)

    def served(self, deployment: str) -> None:
        """It served: whatever was held against it is forgotten."""
        if self._pauses:
            self._pauses.pop(deployment, None)


def _kind(destination: Destination | None) -> tuple[object, ...] | None:
    if destination is None:
        return None
    return (destination.zone, destination.provider, destination.upstream_model)
