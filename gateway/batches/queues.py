"""Batches use what is idle: no row goes to an on-prem server while requests wait there.

Whoever waits may be a person. While rows are under way, every on-prem deployment that has some is
asked once a second how many requests wait; as long as any does, no further row is let in, and
afterwards half as many at once: so the rows' own queue is found, too, and taken back.
"""

import asyncio
import logging

from gateway.batches.pace import Pace
from gateway.inference.path import Gateway
from gateway.protocol.errors import FailClosed
from gateway.providers.calls import Destination, ProviderError
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Zone

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SILENT_FOR_S = 60.0  # one that does not tell is not asked again for so long


class QueueWatch:
    """Looks at the deployments that `pace` knows of. For one event loop."""

    def __init__(self, gateway: Gateway, pace: Pace) -> None:
        self._gateway = gateway
        self._pace = pace
        self._silent_until_s: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Ask each deployment that rows are with, or wait for, once."""
        try:
            snapshot, _ = self._gateway.fresh_snapshot()
        except FailClosed:
            return
        asked = [
            self._ask(destination)
            for name in self._pace.busy()
            if (destination := snapshot.destinations.get(name)) is not None
            and destination.zone is Zone.ON_PREM
        ]
        await asyncio.gather(*asked)

    async def _ask(self, destination: Destination) -> None:
        name, now_s = destination.deployment, self._gateway.monotonic()
        provider = self._gateway.providers.get(destination.provider)
        if not isinstance(provider, OpenAICompatible) or now_s < self._silent_until_s.get(name, 0):
            return
        try:
            waiting = await provider.waiting(destination)
        except ProviderError:
            waiting = 0  # whether it answers is for the rows themselves to find out
        if waiting is None:
            self._silent_until_s[name] = now_s + SILENT_FOR_S
        if waiting:
            self._pace.hold(name)
        else:
            self._pace.let_go(name)
