"""What could be taken out of a refused request: parts that nobody can read. Nothing is sent.

INVARIANT: a request without a part keeps every declaration and inheritance of the whole one; only
what the part itself brought into the label goes with it.
"""

from dataclasses import replace
from typing import Any

from gateway.inference.exchange import Decided
from gateway.inference.label import UNREAD, label_request
from gateway.inference.masking import RequestMasking
from gateway.protocol.media import attachments
from gateway.protocol.requests import RelayRequest, read_tree
from policies.engine.suggest import NO_PARTS, Parts, Reduced


def removable_parts(decided: Decided) -> Parts:
    """The attachments of a chat, counted over all its messages."""
    found = attachments(decided.request.tree)
    if not found:
        return NO_PARTS

    def without(places: frozenset[int]) -> Reduced | None:
        gone = {found[place] for place in places}
        try:
            return _reduced(decided, _without(decided.request, gone))
        except Exception:  # noqa: BLE001 -- a recognizer that fails costs a hint, not the refusal
            return None

    return Parts(tuple(f"attachment {number}" for number in range(1, len(found) + 1)), without)


def _without(request: RelayRequest, gone: set[tuple[int, int]]) -> RelayRequest:
    """The request as if these (message, part) had not been in it. Raises InvalidRequest."""
    messages: list[Any] = []
    for number, message in enumerate(request.tree["messages"]):
        content = message.get("content")
        if isinstance(content, list):
            kept = [part for at, part in enumerate(content) if (number, at) not in gone]
            if not kept:
                continue
            messages.append({**message, "content": kept})
        else:
            messages.append(message)
    return read_tree(request.endpoint, {**request.tree, "messages": messages})


def _reduced(decided: Decided, request: RelayRequest) -> Reduced:
    inbound, view = decided.inbound, decided.view
    # What the body declared was taken out of the tree when it was read first.
    declared = ", ".join(words for words in (inbound.declared, decided.request.declared) if words)
    labelled = label_request(
        request,
        view=view,
        principal=inbound.principal,
        declared=declared,
        inherited=inbound.inherited,
    )
    facts = replace(
        decided.facts,
        label=labelled.label,
        unmaskable=labelled.unmaskable,
        data_classes=labelled.data_classes,
        class_labels=labelled.class_labels,
        unread=not labelled.opaque.isdisjoint(UNREAD),
        modalities=request.modalities,
        tools=request.tools,
        reach_out=request.reach_out,
    )
    masks = labelled.data_classes and view.masking_keys
    return Reduced(facts, RequestMasking(request, labelled, view) if masks else None)
