"""Chat messages of signed-in members, through the one request path in process.

There is no second path: a message is labelled, decided, journalled and relayed exactly as a
request of the API is. This module only says who asks.
"""

import itertools

from gateway import runtime
from gateway.accounts.models import Project, User
from gateway.chat.body import Branch, request_body
from gateway.chat.receipts import MaskedItem
from gateway.inference.contracts import ModelCard, Principal, ProjectView
from gateway.inference.exchange import Inbound, Reply
from gateway.inference.explain import explain_request
from gateway.inference.path import new_id
from gateway.protocol.errors import GatewayError
from policies.engine.facts import Endpoint
from policies.engine.labels import PUBLIC, Label

CHANNEL = "chat"
MAX_ITEMS = 50


def principal_of(user: User, project: Project) -> Principal:
    """Who asks when `user` writes in `project`'s chat. Reads the groups from the database."""
    return Principal(
        actor=f"user:{user.pk}",
        project=project.slug,
        groups=frozenset(user.access_groups.values_list("slug", flat=True)),
    )


def models_of(project: Project) -> tuple[ModelCard, ...]:
    """The aliases that may be chatted with, in the order of the configuration. No I/O.

    Raises GatewayError (`fail_closed`) when there is no usable configuration.
    """
    view = _view(project.slug)
    if view is None:
        return ()
    return tuple(
        card for card in view.models.values() if Endpoint.CHAT_COMPLETIONS in card.endpoints
    )


def preview(principal: Principal, branch: Branch) -> dict[str, object]:
    """Where the branch would go now, and why. Nothing is sent, stored or journalled.

    CPU only, and on the event loop: recognizers are not shared between threads.
    """
    snapshot, age_s = runtime.gateway().fresh_snapshot()
    return explain_request(
        snapshot,
        principal,
        Endpoint.CHAT_COMPLETIONS,
        request_body(branch),
        inherited=inherited_of(principal, branch),
        age_s=age_s,
    )


def inherited_of(principal: Principal, branch: Branch) -> Label:
    """What the branch passes on to its next message (semantic rule 7)."""
    labels = [turn.passes_on for turn in branch.turns if turn.passes_on is not None]
    view = _view(principal.project)
    if view is None or not (labels or branch.unreadable):
        return PUBLIC
    taxonomy = view.policy.taxonomy
    return taxonomy.join([*labels, *([taxonomy.worst] if branch.unreadable else [])])


def inbound_of(principal: Principal, branch: Branch) -> Inbound:
    """The branch as the path takes it."""
    return Inbound(
        principal=principal,
        endpoint=Endpoint.CHAT_COMPLETIONS,
        body=request_body(branch),
        request_id=new_id("req_"),
        channel=CHANNEL,
        inherited=inherited_of(principal, branch),
    )


async def send(inbound: Inbound) -> Reply:
    """Send the branch's last message. The caller must `aclose` the reply on every path.

    Raises GatewayError, whose headers then carry the decision.
    """
    return await runtime.gateway().run(inbound)


def as_seen_by(inbound: Inbound, deployment: str) -> tuple[list[MaskedItem], str]:
    """What a deployment that got a masked body saw: what stood for what, and the last message.

    Decides once more, on the same bytes: placeholders are the same for the same key. CPU only.
    """
    try:
        decided = runtime.gateway().decide(inbound, decision_id=new_id("dec_"))
        candidate = next(
            each for each in decided.permit.candidates if each.deployment == deployment
        )
        outgoing = decided.outgoing(candidate)
    except (GatewayError, StopIteration, LookupError):
        return [], ""  # something changed meanwhile: the receipt's counts still hold
    items = [
        MaskedItem(value=value, shown_as=shown)
        for shown, value in itertools.islice((outgoing.minted or {}).items(), MAX_ITEMS)
    ]
    messages = outgoing.request.tree.get("messages") or [{}]
    content = messages[-1].get("content")
    if isinstance(content, list):
        content = "\n".join(
            str(part.get("text", "")) for part in content if part.get("type") == "text"
        )
    return items, content if isinstance(content, str) else ""


def _view(slug: str) -> ProjectView | None:
    snapshot, _ = runtime.gateway().fresh_snapshot()
    return snapshot.projects.get(slug)
