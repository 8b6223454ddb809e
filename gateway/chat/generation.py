"""Writes replies: a task of the server process for each, whoever watches and whoever left.

What comes from the path is kept piece by piece in the database, and each piece is told in the
conversation's log. Stop cancels the task, which closes the upstream and writes the outcome. When
this process dies, `messages.interrupt_dead` ends what it left; the journal's loader writes the
outcomes it owes.
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.accounts.models import User
from gateway.chat import service
from gateway.chat.branches import branch_of, written_label
from gateway.chat.log import ConversationLog, Kind
from gateway.chat.messages import Exchange, add_piece, finish, keep_receipt, still_alive
from gateway.chat.models import State
from gateway.chat.receipts import Receipt
from gateway.chat.sealing import Seal
from gateway.chat.tree import tree_of
from gateway.database_threads import DatabaseThreads
from gateway.inference.contracts import Principal
from gateway.inference.exchange import Inbound, Reply
from gateway.protocol.errors import GatewayError
from policies.engine.labels import PUBLIC

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.1
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Ready:
    """What a reply is written from."""

    principal: Principal
    inbound: Inbound
    seal: Seal = field(repr=False)


class Writing:
    """One reply on its way."""

    def __init__(
        self, exchange: Exchange, user: User, desk: DatabaseThreads, told: ConversationLog
    ) -> None:
        self._conversation = exchange.conversation
        self._message = exchange.reply.pk
        self._asked = exchange.person.pk
        self._model = exchange.reply.model
        self._user = user
        self._desk = desk
        self._told = told
        self._text: list[str] = []
        self._waiting = ""
        self._pieces = 0
        self._receipt = Receipt()
        self._passes_on: dict[str, object] = {}
        self._more = asyncio.Event()
        self._over = False
        self._work: asyncio.Task[State] | None = None
        self._stopping: State | None = None

    def stop(self, state: State = State.STOPPED) -> None:
        """End it now; what is there stays."""
        self._stopping = self._stopping or state
        if self._work is not None:
            self._work.cancel()

    async def run(self) -> None:
        """Write it to its end, whichever that is."""
        began = time.monotonic()
        ready = await self._desk(self._prepare)
        self._work = asyncio.create_task(self._relay(ready))
        if self._stopping is not None:
            self._work.cancel()
        pump = asyncio.create_task(self._pump(ready.seal))
        try:
            state = await self._outcome(self._work)
        finally:
            # Not cancelled: whoever swallows that on the way (clients do) would keep it running.
            self._over = True
            self._more.set()
            await asyncio.wait({pump})
            if not pump.cancelled() and (error := pump.exception()) is not None:
                log.error("pieces of a reply were not kept: %s", type(error).__name__)
        self._receipt.seconds = round(time.monotonic() - began, 2)
        await self._desk(
            finish,
            self._message,
            ready.seal,
            state=state,
            text="".join(self._text),
            receipt=self._receipt,
            passes_on=self._passes_on,
        )
        await self._tell(Kind.ENDED)

    def _prepare(self) -> Ready:
        conversation = self._conversation
        seal = Seal(conversation)
        path = tree_of(conversation).path(self._asked)
        branch = branch_of(conversation, seal, path, model=self._model)
        principal = service.principal_of(self._user, conversation.project)
        return Ready(principal, service.inbound_of(principal, branch), seal)

    async def _outcome(self, work: "asyncio.Task[State]") -> State:
        try:
            return await work
        except asyncio.CancelledError:
            if self._stopping is None:
                raise
            self._receipt.code = self._stopping.value
            return self._stopping
        except GatewayError as error:
            self._receipt.take_error(error)
            if error.passes_on is not None:
                self._passes_on = written_label(error.passes_on)
            return State.REFUSED if error.status == 403 else State.FAILED
        except Exception as error:  # noqa: BLE001 -- the task's border; its text may quote content
            log.error("a reply ended by %s", type(error).__name__)  # noqa: TRY400
            self._receipt.code = "internal_error"
            return State.INTERRUPTED if self._text else State.FAILED

    async def _relay(self, ready: Ready) -> State:
        reply = await service.send(ready.inbound)
        try:
            self._receipt.take_headers(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers
            )
            if self._receipt.masked:
                items, as_sent = service.as_seen_by(ready.inbound, self._receipt.deployment)
                self._receipt.masked_items, self._receipt.as_sent = items, as_sent
            if reply.passes_on != PUBLIC:
                self._passes_on = written_label(reply.passes_on)
            await self._desk(
                keep_receipt, self._message, ready.seal, self._receipt, self._passes_on
            )
            await self._tell(Kind.BEGAN)
            return await self._read(reply)
        finally:
            await reply.aclose()
            self._receipt.take_cost(reply.receipt)

    async def _read(self, reply: Reply) -> State:
        state = State.DONE
        async for event in _events(reply):
            if event.get("error"):
                self._receipt.code = str(event["error"].get("code") or "upstream_interrupted")
                self._receipt.reason = str(event["error"].get("message") or "")
                state = State.INTERRUPTED
            usage = event.get("usage")
            if isinstance(usage, dict):
                self._receipt.prompt_tokens = usage.get("prompt_tokens")
                self._receipt.completion_tokens = usage.get("completion_tokens")
            for choice in event.get("choices") or []:
                said = (choice.get("delta") or choice.get("message") or {}).get("content")
                if isinstance(said, str) and said:
                    self._text.append(said)
                    self._waiting += said
                    self._more.set()
        return state

    async def _pump(self, seal: Seal) -> None:
        """Keep and tell what is there, ten times a second at most; look whether to stop."""
        looked = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._more.wait()
            self._more.clear()
            if self._over:
                return
            if self._waiting:
                piece, self._waiting = self._waiting, ""
                self._pieces += 1
                await self._desk(add_piece, self._message, seal, self._pieces, piece)
                await self._tell(Kind.GREW)
                await asyncio.sleep(FLUSH_EVERY_S)
            if time.monotonic() - looked >= LOOK_EVERY_S:
                looked = time.monotonic()
                if await self._desk(still_alive, self._message):
                    self.stop()

    async def _tell(self, kind: Kind) -> None:
        await self._told.append(self._conversation.pk, kind, message=self._message)


class Writers:
    """All replies that this process writes. For one event loop."""

    def __init__(self, desk: DatabaseThreads, told: ConversationLog) -> None:
        self._desk = desk
        self._told = told
        self._running: dict[int, tuple[Writing, asyncio.Task[None]]] = {}

    def begin(self, exchange: Exchange, user: User) -> None:
        """Write the reply of an exchange that is committed."""
        writing = Writing(exchange, user, self._desk, self._told)
        # Of its own context: it outlives the request that asked for it.
        task = asyncio.get_running_loop().create_task(writing.run(), context=contextvars.Context())
        self._running[exchange.reply.pk] = (writing, task)
        task.add_done_callback(lambda done: self._ended(exchange.reply.pk, done))

    def stop(self, message: int) -> bool:
        """End a reply that is written here. False: it is not."""
        found = self._running.get(message)
        if found is not None:
            found[0].stop()
        return found is not None

    async def aclose(self) -> None:
        """End all of them: the process is about to end."""
        tasks = [task for _, task in self._running.values()]
        for writing, _ in self._running.values():
            writing.stop(State.INTERRUPTED)
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    def _ended(self, message: int, task: "asyncio.Task[None]") -> None:
        del self._running[message]
        if not task.cancelled() and (error := task.exception()) is not None:
            # It ends as interrupted when nobody says that it is alive any more.
            log.error("reply %s stopped: %s", message, type(error).__name__)


async def _events(reply: Reply) -> AsyncIterator[dict[str, Any]]:
    """The decoded events of a reply, streamed or whole."""
    if reply.body is not None:
        yield msgspec.json.decode(reply.body)
        return
    waiting = b""
    async for chunk in reply.chunks:
        *events, waiting = (waiting + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        for event in events:
            data = b"".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
            tree = _decoded(data)
            if tree is not None:
                yield tree


def _decoded(data: bytes) -> dict[str, Any] | None:
    try:
        tree = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None  # [DONE], or a comment
    return tree if isinstance(tree, dict) else None
