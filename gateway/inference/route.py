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
# Asked for by a deployment; one that says more is asked again by then.
LONGEST_REST_S = 600.0


class Router:
    """Passive health and load of each deployment, as this process sees it. No I/O, no clock."""

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._pauses: dict[str, tuple[float, float]] = {}  # name -> (until, length)
        self._rests: dict[str, float] = {}  # name -> until
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
        keyed: list[tuple[tuple[int, int, int, int], Candidate]] = []
        for index, candidate in enumerate(candidates):
            kind = _kind(destinations.get(candidate.deployment))
            if kind is None or kind != previous:
                group = index
            previous = kind
            name = candidate.deployment
            held = self._held_against(name, now_s)
            # Equal loads take turns, or a quiet gateway would only ever use the first replica.
            turn = (index - self._turn) % len(candidates)
            keyed.append(((held, group, self._in_flight.get(name, 0), turn), candidate))
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
        return self._in_flight.get(deployment, 0), self._held_against(deployment, now_s) > 0

    def rest_s(self, deployment: str, *, now_s: float) -> float:
        """How much longer it asked to be left alone; 0 when it did not. Whoever can wait, waits."""
        return max(self._rests.get(deployment, now_s) - now_s, 0.0) if self._rests else 0.0

    def failed(self, deployment: str, *, now_s: float, rest_s: float = 0.0) -> None:
        """It could not serve: others first for 1 s, doubled with each failure up to 30 s, and for
        as long as it asked for (`rest_s`), up to ten minutes."""
        if rest_s > 0:
            until = now_s + min(rest_s, LONGEST_REST_S)
            self._rests[deployment] = max(self._rests.get(deployment, until), until)
        _, length = self._pauses.get(deployment, (0.0, 0.0))
        length = min(max(length * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._pauses[deployment] = (now_s + length, length)

    def served(self, deployment: str) -> None:
        """It served: whatever was held against it is forgotten. Not the rest that it asked for:
        this request may be one of before."""
        if self._pauses:
            self._pauses.pop(deployment, None)

    def _held_against(self, deployment: str, now_s: float) -> int:
        """0 nothing, 1 that it failed lately, 2 that it asked to be left alone."""
        if self._rests and self.rest_s(deployment, now_s=now_s) > 0:
            return 2
        pause = self._pauses.get(deployment)
        return int(pause is not None and now_s < pause[0])


def _kind(destination: Destination | None) -> tuple[object, ...] | None:
    if destination is None:
        return None
    return (destination.zone, destination.provider, destination.upstream_model)
