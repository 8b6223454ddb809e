"""`/chat/events`: one event connection per browser, for every conversation its tabs show.

A lean ASGI application ahead of Django: hundreds may be open at once, and each costs a coroutine
instead of a thread with a database connection. `?c=<conversation>~<position>`, repeated;
`Last-Event-ID` is the newest of those positions.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, parse_cookie
from redis.exceptions import RedisError

from frontend.live.hub import Hub
from frontend.live.ops import as_event
from frontend.live.sessions import Held, SessionWatch, still_held
from frontend.live.viewer import LOST, Viewer
from gateway.accounts.models import User
from gateway.accounts.second_factor import required_of, shown_in
from gateway.chat.access import NoSuchConversation
from gateway.chat.engine import Engine, engine
from gateway.protocol.errors import FailClosed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATH: Final = "/chat/events"
MOST_CONVERSATIONS: Final = 30
QUIET_S: Final = 15.0
_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection, and when the session behind it ended."""

    receive: Receive
    send: Send
    ended: asyncio.Event


class LiveApp:
    """Answers the event connections of this process."""

    def __init__(self) -> None:
        self._hub: Hub | None = None
        self._of: Engine | None = None
        self._sessions: SessionWatch | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, from its first byte to its end."""
        if scope["method"] != "GET":
            await _refuse(send, 405)
            return
        try:
            running = engine()
        except FailClosed:
            await _refuse(send, 503)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        held = await running.desk(_session_of, headers.get("cookie", ""))
        if held is None:
            await _refuse(send, 401)
            return
        wanted = _wanted(scope["query_string"].decode("latin-1"), headers.get("last-event-id", ""))
        with self._sessions_of(running).ended(held) as ended:
            hub, viewer = self._hub_of(running), Viewer(held[1])
            await self._watch(hub, viewer, wanted, _Line(receive, send, ended))

    async def aclose(self) -> None:
        """Send everybody away."""
        hub, self._hub = self._hub, None
        if hub is not None:
            await hub.aclose()

    def _hub_of(self, running: Engine) -> Hub:
        if self._hub is None or self._of is not running:
            self._hub, self._of = Hub(running), running
        return self._hub

    def _sessions_of(self, running: Engine) -> SessionWatch:
        if self._sessions is None or self._of is not running:
            self._sessions = SessionWatch(lambda held: running.desk(still_held, held))
        return self._sessions

    async def _watch(self, hub: Hub, viewer: Viewer, wanted: dict[str, str], line: "_Line") -> None:
        send = line.send
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _write(send, b"retry: 1000\n\n")
        gone = asyncio.create_task(_until_gone(line.receive))
        ended = asyncio.create_task(line.ended.wait())
        telling = asyncio.create_task(_tell(viewer, send))
        try:
            for conversation, position in wanted.items():
                try:
                    await hub.join(viewer, conversation, position)
                except NoSuchConversation:
                    viewer.put(as_event(conversation, position, [["gone"]]))
                except (RedisError, OSError):
                    viewer.put(LOST)
            await asyncio.wait({gone, ended, telling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, ended, telling):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task
            await hub.leave(viewer)
            with contextlib.suppress(OSError, RuntimeError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _tell(viewer: Viewer, send: Send) -> None:
    while True:
        try:
            async with asyncio.timeout(QUIET_S):
                data = await viewer.queue.get()
        except TimeoutError:
            data = b": quiet\n\n"
        if data == LOST:
            return
        while not viewer.queue.empty() and len(data) < 65_536:
            more = viewer.queue.get_nowait()
            if more == LOST:
                return
            data += more
        await _write(send, data)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _session_of(cookie: str) -> Held | None:
    """The session and its person's id, by the same rules as every page (`frontend.gate`)."""
    request = HttpRequest()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(parse_cookie(cookie).get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    if not isinstance(user, User) or not user.is_active or not request.session.session_key:
        return None
    if not shown_in(request.session) and required_of(user):
        return None
    return request.session.session_key, str(user.pk)


def _wanted(query: str, last: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in parse_qs(query).get("c", [])[:MOST_CONVERSATIONS]:
        conversation, _, position = each.partition("~")
        found[conversation] = _position(position)
    conversation, _, position = last.partition("~")
    if conversation in found:
        found[conversation] = _position(position)
    return found


def _position(text: str) -> str:
    moment, _, number = text.partition("-")
    return text if moment.isdigit() and number.isdigit() and len(text) < 40 else "0-0"
