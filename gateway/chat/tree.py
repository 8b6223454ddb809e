"""The tree of a conversation's messages, by ids alone: paths, branches, where to go on.

One query for all ids; a path of thousands costs some milliseconds.
"""

from dataclasses import dataclass, field

from gateway.chat.models import Conversation, Message, State


@dataclass(frozen=True, slots=True)
class Tree:
    """Who answers whom. `children` are in the order in which they were written."""

    parents: dict[int, int | None]
    children: dict[int | None, list[int]] = field(default_factory=dict)

    def path(self, leaf: int | None) -> list[int]:
        """From the first message to `leaf`; empty for None or an unknown one."""
        found: list[int] = []
        while leaf is not None and leaf in self.parents:
            found.append(leaf)
            leaf = self.parents[leaf]
        return found[::-1]

    def leaf_under(self, message: int) -> int:
        """The end of the branch that starts at `message`, the newest at each fork."""
        while following := self.children.get(message):
            message = following[-1]
        return message

    def siblings(self, message: int) -> list[int]:
        """Every branch at the place of `message`, itself included."""
        return self.children[self.parents[message]]


def tree_of(conversation: Conversation) -> Tree:
    """The whole tree. One query."""
    rows = Message.objects.filter(conversation=conversation).order_by("id")
    parents: dict[int, int | None] = {}
    for child, above in rows.values_list("id", "parent_id"):
        parents[child] = above
    tree = Tree(parents)
    for message, parent in parents.items():
        tree.children.setdefault(parent, []).append(message)
    return tree


def shown_leaf(conversation: Conversation, tree: Tree, at: int | None = None) -> int | None:
    """The end of the branch to show: the one through `at`, else the one written last."""
    if at is not None and at in tree.parents:
        return tree.leaf_under(at)
    if conversation.head_id in tree.parents:
        return conversation.head_id
    return max(tree.parents, default=None)


def resting(message: Message | None) -> Message | None:
    """Where a talk goes on after `message`: refused and failed exchanges are no part of it."""
    while message is not None and not counts(message):
        asked = message.parent
        message = asked.parent if asked is not None else None
    return message


def counts(message: Message) -> bool:
    """Whether a reply is part of what the model is told next. People's messages are."""
    if message.state in {State.REFUSED, State.FAILED}:
        return False
    return message.state in {State.DONE, State.WRITING} or bool(message.sealed_text)
