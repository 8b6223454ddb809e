"""Who may open a conversation. Every view and service of the chat starts here.

An unknown conversation and one that belongs to others look the same: `NoSuchConversation`.
"""

from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone

from gateway.accounts.access import may, projects_of
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.chat.models import Conversation, LinkGuest, Visibility


class NoSuchConversation(Http404):
    """There is no such conversation for whoever asks."""


def _alive() -> Q:
    return Q(expires_at=None) | Q(expires_at__gt=timezone.now())


def conversations_of(user: User, project: Project) -> QuerySet[Conversation]:
    """Those that `user` may write in and that lists show. The caller has checked the project."""
    return Conversation.objects.filter(
        _alive(),
        Q(owner=user) | Q(visibility=Visibility.MEMBERS),
        project=project,
        temporary=False,
    )


def searchable(user: User) -> QuerySet[Conversation]:
    """Every conversation, in whatever project, that `user` may write in now."""
    return Conversation.objects.filter(
        _alive(),
        Q(owner=user) | Q(visibility=Visibility.MEMBERS),
        project__in=projects_of(user, Role.MEMBER),
        temporary=False,
    )


def may_write(user: User, conversation: Conversation) -> bool:
    """Whether `user` may write there: a member of the project, and the owner or it is shared."""
    shared = conversation.visibility == Visibility.MEMBERS
    mine = conversation.owner_id == user.pk
    return (mine or shared) and may(user, conversation.project, Role.MEMBER)


def _may_read(user: User, conversation: Conversation) -> bool:
    if may_write(user, conversation):
        return True
    if not user.is_active or conversation.project.archived:
        return False
    now = timezone.now()
    return LinkGuest.objects.filter(
        Q(link__expires_at=None) | Q(link__expires_at__gt=now),
        user=user,
        link__conversation=conversation,
        link__revoked_at=None,
    ).exists()


def get_conversation(user: User, conversation_id: str, *, write: bool = False) -> Conversation:
    """The conversation, if `user` may read it (or write in it). Raises NoSuchConversation."""
    found = (
        Conversation.objects.filter(_alive(), pk=conversation_id).select_related("project").first()
    )
    if found is None:
        raise NoSuchConversation("No such conversation.")
    allowed = may_write(user, found) if write else _may_read(user, found)
    if not allowed:
        raise NoSuchConversation("No such conversation.")
    return found


def get_own_conversation(user: User, conversation_id: str) -> Conversation:
    """The conversation, if it is `user`'s own: only owners share and delete.

    Raises NoSuchConversation.
    """
    found = get_conversation(user, conversation_id, write=True)
    if found.owner_id != user.pk:
        raise NoSuchConversation("No such conversation.")
    return found
