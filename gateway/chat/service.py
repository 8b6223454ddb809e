"""Chat messages of signed-in members, through the one request path in process.

There is no second path: a message is labelled, decided, journalled and relayed exactly as a
request of the API is. This module only says who asks. It keeps nothing.
"""

from gateway import runtime
from gateway.accounts.models import Project, User
from gateway.chat.body import Draft, request_body
from gateway.inference.contracts import ModelCard, Principal
from gateway.inference.exchange import Inbound, Reply
from gateway.inference.explain import explain_request
from gateway.inference.path import new_id
from policies.engine.facts import Endpoint

CHANNEL = "chat"


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
    snapshot, _ = runtime.gateway().fresh_snapshot()
    view = snapshot.projects.get(project.slug)
    if view is None:
        return ()
    return tuple(
        card for card in view.models.values() if Endpoint.CHAT_COMPLETIONS in card.endpoints
    )


def preview(principal: Principal, draft: Draft) -> dict[str, object]:
    """Where the draft would go now, and why. Nothing is sent, stored or journalled."""
    snapshot, age_s = runtime.gateway().fresh_snapshot()
    return explain_request(
        snapshot, principal, Endpoint.CHAT_COMPLETIONS, request_body(draft), age_s=age_s
    )


async def send(principal: Principal, draft: Draft) -> Reply:
    """Send the draft's last message. The caller must `aclose` the reply on every path.

    Raises GatewayError, whose headers then carry the decision.
    """
    return await runtime.gateway().run(
        Inbound(
            principal=principal,
            endpoint=Endpoint.CHAT_COMPLETIONS,
            body=request_body(draft),
            request_id=new_id("req_"),
            channel=CHANNEL,
        )
    )
