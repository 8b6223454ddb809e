"""One watched conversation in one process: who watches, and the replies that grow."""

import asyncio
from typing import Any

from django.template.loader import render_to_string
from redis.exceptions import RedisError

from frontend.live.ops import Op, as_event
from frontend.live.viewer import Viewer
from frontend.prose import Growing
from frontend.showing import Shown, article, person_shown, show
from gateway.accounts.models import User
from gateway.chat.access import NoSuchConversation, get_conversation
from gateway.chat.conversations import title_of
from gateway.chat.engine import Engine
from gateway.chat.log import Entry, Kind
from gateway.chat.messages import pieces_after
from gateway.chat.models import Conversation, Message, State
from gateway.chat.sealing import Seal
from gateway.chat.tree import tree_of

_SAID = {
    State.DONE: "complete",
    State.STOPPED: "incomplete",
    State.INTERRUPTED: "incomplete",
    State.REFUSED: "refused",
    State.FAILED: "failed",
}


class _Group:
    """Viewers that are admitted together."""

    __slots__ = ("admission", "viewers")

    admission: "asyncio.Task[None]"

    def __init__(self) -> None:
        self.viewers: list[Viewer] = []


class Room:
    """INVARIANT: `position` is behind everything that `viewers` were told."""

    def __init__(self, conversation_id: str, engine: Engine) -> None:
        self.conversation_id = conversation_id
        self.position = "0-0"
        self.viewers: set[Viewer] = set()
        self.coming = 0  # viewers that are about to be admitted
        self._engine = engine
        self._growing: dict[int, Growing] = {}
        self._taken: dict[int, int] = {}  # the last piece of each
        self._turn = asyncio.Lock()
        self._groups: dict[str, _Group] = {}  # by the position they come from

    @staticmethod
    def check(user_id: str, conversation_id: str) -> Conversation:
        """The conversation, if this person may read it. Raises NoSuchConversation."""
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user is None:
            raise NoSuchConversation("No such conversation.")
        return get_conversation(user, conversation_id)

    async def admit(self, viewer: Viewer, position: str) -> None:
        """Bring a browser up to date, and tell it everything from then on. Raises RedisError.

        Those who come from one position while others are told are admitted together: one reading
        and one rendering serve all of them, so that hundreds who come back at once (a restart)
        hold nobody up.
        """
        group = self._groups.get(position)
        if group is None:
            group = self._groups[position] = _Group()
            group.admission = asyncio.create_task(self._admit(group, position))
        group.viewers.append(viewer)
        try:
            # Whoever leaves meanwhile must not take the others' admission along.
            await asyncio.shield(group.admission)
        except asyncio.CancelledError:
            if viewer in group.viewers:
                group.viewers.remove(viewer)
            raise

    async def _admit(self, group: "_Group", position: str) -> None:
        async with self._turn:
            del self._groups[position]  # who comes from here on is told anew
            entries = await self._engine.log.since(self.conversation_id, position)
            if entries is None:
                ops: list[Op] = [["reload"]]
            else:
                touched = {each.message for each in entries if each.message is not None}
                ops = await self._engine.desk(self._now, touched)
            if any(each.kind == Kind.RENAMED for each in entries or ()):
                ops.append(["title", await self._engine.desk(self._title)])
            # Asked again: what was true when they came may have changed while they waited.
            users = sorted({viewer.user for viewer in group.viewers})
            allowed = await self._engine.desk(self._allowed, users)
            # From here to the end nothing waits, so nothing is told twice or not at all.
            ops += self._writing_now()
            data = as_event(self.conversation_id, self.position, ops)
            for viewer in group.viewers:
                if viewer.user in allowed:
                    self.viewers.add(viewer)
                    viewer.put(data)
                else:
                    viewer.put(as_event(self.conversation_id, self.position, [["gone"]]))

    async def take(self, entries: list[Entry]) -> list[Op]:
        """What to tell of new entries. Raises NoSuchConversation."""
        async with self._turn:
            ops: list[Op] = []
            grew = {each.message for each in entries if each.kind == Kind.GREW and each.message}
            kinds = {each.kind for each in entries}
            whole = {
                each.message
                for each in entries
                if each.message and each.kind in {Kind.ADDED, Kind.BEGAN, Kind.ENDED, Kind.CHANGED}
            }
            if whole:
                ops += await self._engine.desk(self._now, whole)
            if grew:
                ops += await self._engine.desk(self._grown, grew)
            if Kind.RENAMED in kinds:
                ops.append(["title", await self._engine.desk(self._title)])
            if Kind.HERE in kinds:
                ops.append(["here", await self._here()])
            typing = {each.user for each in entries if each.kind == Kind.TYPING}
            if typing:
                names = await self._engine.desk(_names, sorted(typing))
                ops += [["typing", person.id, person.name] for person in names]
            if Kind.GONE in kinds:
                ops.append(["gone"])
        if Kind.ACCESS in kinds:
            ops += await self.expel()
        return ops

    async def expel(self) -> list[Op]:
        """Send away who may not read any more."""
        users = sorted({viewer.user for viewer in self.viewers})
        allowed = await self._engine.desk(self._allowed, users)
        for viewer in [each for each in self.viewers if each.user not in allowed]:
            self.viewers.discard(viewer)
            viewer.put(as_event(self.conversation_id, self.position, [["gone"]]))
        return []

    def _allowed(self, users: list[str]) -> set[str]:
        found = set()
        for user in users:
            try:
                self.check(user, self.conversation_id)
            except NoSuchConversation:
                continue
            found.add(user)
        return found

    def _load(self) -> tuple[Conversation, Seal]:
        conversation = (
            Conversation.objects.filter(pk=self.conversation_id).select_related("project").first()
        )
        if conversation is None:
            raise NoSuchConversation("No such conversation.")
        return conversation, Seal(conversation)

    def _now(self, messages: set[int]) -> list[Op]:
        """These messages as they are now, with the question of each reply."""
        conversation, seal = self._load()
        tree = tree_of(conversation)
        wanted = set(messages)
        wanted |= {parent for each in messages if (parent := tree.parents.get(each)) is not None}
        # Whoever has a new sibling shows so.
        for each in list(wanted):
            if each in tree.parents:
                wanted |= set(tree.siblings(each))
        rows = Message.objects.filter(conversation=conversation, pk__in=wanted)
        shown = show(
            conversation,
            seal,
            tree,
            rows.select_related("author").order_by("pk"),
            growing=self._follow(rows, seal),
        )
        ops: list[Op] = [["drop", f"m{each}"] for each in messages if each not in tree.parents]
        for message in shown:
            ops += self._ops_of(message, new=message.id in messages)
        return ops

    def _follow(self, rows: Any, seal: Seal) -> dict[int, Growing]:
        """Read what is there of each reply that is being written, once."""
        writing = set(rows.filter(state=State.WRITING).values_list("pk", flat=True))
        for message in writing:
            self._read_on(message, seal)
        for message in [each for each in self._growing if each not in writing]:
            if not Message.objects.filter(pk=message, state=State.WRITING).exists():
                self._growing.pop(message, None)
                self._taken.pop(message, None)
        return self._growing

    def _ops_of(self, shown: Shown, *, new: bool) -> list[Op]:
        ops: list[Op] = [["add", shown.parent, f"m{shown.id}", article(shown)]]
        if shown.role == "reply" and new:
            writing = shown.state == State.WRITING
            ops.append(["state", shown.id, writing])
            if not writing:
                ops.append(["said", shown.id, _SAID[State(shown.state)]])
        return ops

    def _grown(self, messages: set[int]) -> list[Op]:
        _, seal = self._load()
        ops: list[Op] = []
        writing = Message.objects.filter(pk__in=messages, state=State.WRITING)
        for message in writing.order_by("pk").values_list("pk", flat=True):
            known = message in self._growing
            patches = self._read_on(message, seal)
            growing = self._growing[message]
            if known:
                ops += [[kind, message, html] for kind, html in patches]
            else:
                ops += [["block", message, html] for html in growing.blocks]
                ops.append(["tail", message, growing.tail])
        return ops

    def _read_on(self, message: int, seal: Seal) -> list[tuple[str, str]]:
        growing = self._growing.setdefault(message, Growing())
        pieces = pieces_after(message, seal, self._taken.get(message, 0))
        if not pieces:
            return []
        self._taken[message] = pieces[-1][0]
        return growing.feed("".join(text for _, text in pieces))

    def _writing_now(self) -> list[Op]:
        return [
            ["body", message, "".join(growing.blocks), growing.tail]
            for message, growing in self._growing.items()
        ]

    def _title(self) -> str:
        return title_of(self._load()[0])

    async def _here(self) -> str:
        try:
            users = await self._engine.log.who_is_here(self.conversation_id)
        except (RedisError, OSError):
            users = []
        return await self._engine.desk(here_html, users)


def here_html(users: list[str]) -> str:
    """Who is here, as the head of the page shows it."""
    return render_to_string("presence/presence.html", {"people": _names(users)})


def _names(users: list[str]) -> list[Any]:
    rows = User.objects.filter(pk__in=users).order_by("pk")
    return [person_shown(row.pk, str(row)) for row in rows]
