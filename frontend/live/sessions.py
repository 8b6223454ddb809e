"""Ends event connections whose session ended: it was revoked, or its person switched off.

One look for all connections of this process, twice a second while there are any.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Final

from django.contrib.sessions.models import Session
from django.utils import timezone

from gateway.accounts.models import User

EVERY_S: Final = 0.5
# A session and whose it is.
Held = tuple[str, str]
Look = Callable[[frozenset[Held]], Awaitable[Collection[Held]]]


def still_held(held: frozenset[Held]) -> set[Held]:
    """Which of these sessions are there, of people who are not switched off. Two queries."""
    keys = {session for session, _ in held}
    alive = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).values_list(
            "session_key", flat=True
        )
    )
    people = User.objects.filter(pk__in={user for _, user in held}, is_active=True)
    active = {str(pk) for pk in people.values_list("pk", flat=True)}
    return {each for each in held if each[0] in alive and each[1] in active}


class SessionWatch:
    """Tells each connection when its session ended."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._waiting: defaultdict[Held, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def ended(self, held: Held) -> Iterator[asyncio.Event]:
        """An event that is set when the session ends."""
        event = asyncio.Event()
        self._waiting[held].add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield event
        finally:
            self._waiting[held].discard(event)
            if not self._waiting[held]:
                del self._waiting[held]

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(EVERY_S)
            held = frozenset(self._waiting)
            try:
                alive = set(await self._look(held))
            except Exception:  # noqa: BLE001 -- an outer border: what cannot be looked up, ends
                alive = set()
            for gone in held - alive:
                for event in tuple(self._waiting.get(gone, ())):
                    event.set()
