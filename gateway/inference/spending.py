"""What a request asks of budgets and limits, and the refusals for want of them."""

from gateway.inference.contracts import Refusal
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.limits import Ask
from gateway.protocol.errors import BudgetExceeded, GatewayError
from gateway.protocol.requests import RelayRequest
from policies.engine.facts import Endpoint
from policies.engine.permit import DropReason

BUDGET_EXHAUSTED = DropReason.BUDGET_EXHAUSTED.value
_BYTES_PER_TOKEN = 4
# What servers add around the messages (a chat template, a system prompt of their own), in tokens.
_TEMPLATE_TOKENS = 256


def ask_of(inbound: Inbound, decided: Decided) -> Ask:
    """What a decided request wants reserved. CPU only.

    A token has at least one byte of the body, so the body's size bounds the prompt's tokens.
    """
    request, snapshot = decided.request, decided.snapshot
    prices = snapshot.prices
    size = len(inbound.body)
    output = 0 if request.endpoint is Endpoint.EMBEDDINGS else request.output_limit
    return Ask(
        principal=inbound.principal,
        limits=snapshot.limits,
        # Four bytes a token is the usual rule of thumb for English; what was used settles it.
        tokens=size // _BYTES_PER_TOKEN + (output or 0),
        prompt_bound=size + _TEMPLATE_TOKENS,
        output_limit=output,
        choices=_choices(request),
        prices=[prices.get(candidate.deployment) for candidate in decided.permit.candidates],
    )


def _choices(request: RelayRequest) -> int:
    """How many answers one request may bring: each may be as long as the limit."""
    tree = request.tree
    count = max(_whole(tree.get("n")), _whole(tree.get("best_of")))
    prompt = tree.get("prompt")
    if type(prompt) is list and prompt and type(prompt[0]) is not int:
        count *= len(prompt)
    return count


def _whole(value: object) -> int:
    """A count as servers read it: some take the text of a number, too."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if type(value) is float:
        value = int(min(value, 1e9))
    return max(1, value) if type(value) is int else 1


def kept_from_spending(decided: Decided) -> GatewayError | None:
    """The 429 for a request that only a budget stopped: nothing on our machines may serve it.

    None where the policy would have denied it anyway.
    """
    permit = decided.permit
    if decided.facts.on_prem_only_because != BUDGET_EXHAUSTED:
        return None
    if not any(drop.reason is DropReason.BUDGET_EXHAUSTED for drop in permit.dropped):
        return None
    return BudgetExceeded(
        "A budget is used up, so only deployments on_prem may be used, and none of them may serve "
        "this request."
    )


def may_stay_on_prem(refusal: object, decided: Decided) -> bool:
    """Whether the request is worth deciding again, for what costs nothing."""
    return (
        isinstance(refusal, Refusal)
        and refusal.stay_on_prem
        and not decided.facts.on_prem_only_because
    )
