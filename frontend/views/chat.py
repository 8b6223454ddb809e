"""What the live chat asks for: the lens, sending, asking again, stopping, and the like.

JSON in, JSON out. Replies themselves come by the event connection (`frontend.live`).
"""

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from frontend.drafts import Draft, read_draft, started_from, wanted
from frontend.lens import choices_of, lens_of, marks_of
from frontend.views.answers import (
    in_our_shape,
    json_body,
    number_in,
    person_of,
    text_in,
    texts_in,
    told,
    words_in,
    writable_project,
)
from gateway.accounts.models import User
from gateway.chat import messages, service
from gateway.chat.access import get_conversation
from gateway.chat.body import Branch
from gateway.chat.conversations import create_conversation
from gateway.chat.engine import engine
from gateway.chat.log import Kind
from gateway.chat.messages import Exchange
from gateway.chat.sealing import Seal
from gateway.protocol.errors import GatewayError, InvalidRequest

MOST_CHOICES = 12


@require_POST
@in_our_shape
async def preview(request: HttpRequest) -> HttpResponseBase:
    """Where this draft would go, and why. Nothing is sent or stored."""
    user = await person_of(request)
    body = json_body(request)
    draft = await sync_to_async(read_draft)(user, body)
    # On the event loop on purpose: recognizers are not shared between threads.
    explained = service.preview(draft.principal, draft.branch)
    return told(
        {
            "lens": lens_of(explained),
            "marks": marks_of(explained, draft.own_place, draft.branch.turns[-1].text),
            "choices": _choices(draft) if body.get("choices") is True else None,
        }
    )


def _choices(draft: Draft) -> dict[str, dict[str, object]]:
    """What would become of the draft with each model of the project."""
    found: dict[str, dict[str, object]] = {}
    for card in service.models_of(draft.project)[:MOST_CHOICES]:
        branch = Branch(model=card.id, turns=draft.branch.turns, settings=draft.branch.settings)
        try:
            found[card.id] = choices_of(service.preview(draft.principal, branch))
        except GatewayError:
            continue
    return found


@require_POST
@in_our_shape
async def start(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Begin a conversation with its first message."""
    user = await person_of(request)
    body = json_body(request)
    exchange = await sync_to_async(_start)(user, slug, body)
    return await _begin(exchange, user)


def _start(user: User, slug: str, body: dict[str, Any]) -> Exchange:
    project = writable_project(user, slug)
    engine()
    text, model = text_in(body, "text"), text_in(body, "model")
    attachments = words_in(body, "attachments")
    if not model or not (text.strip() or attachments):
        raise InvalidRequest(_("A message needs words or a file, and a model."), param="text")
    settings = started_from(user, project, number_in(body, "prompt"), texts_in(body, "settings"))
    conversation = create_conversation(
        user,
        project,
        wanted(
            settings,
            model=model,
            title=text or text_in(body, "title"),
            temporary=body.get("temporary") is True,
        ),
    )
    try:
        return messages.ask(user, conversation.pk, text, model=model, attachments=attachments)
    except GatewayError:
        conversation.delete()
        raise


@require_POST
@in_our_shape
async def ask(request: HttpRequest, cid: str) -> HttpResponseBase:
    """Send a message behind another: the next one, or an edited one as a branch."""
    user = await person_of(request)
    body = json_body(request)
    await sync_to_async(get_conversation)(user, cid, write=True)
    engine()
    exchange = await sync_to_async(messages.ask)(
        user,
        cid,
        text_in(body, "text"),
        model=text_in(body, "model"),
        parent=number_in(body, "parent"),
        attachments=words_in(body, "attachments"),
    )
    return await _begin(exchange, user)


@require_POST
@in_our_shape
async def again(request: HttpRequest, cid: str, mid: int) -> HttpResponseBase:
    """Write a reply again, with the same model or another."""
    user = await person_of(request)
    body = json_body(request)
    await sync_to_async(get_conversation)(user, cid, write=True)
    engine()
    exchange = await sync_to_async(messages.ask_again)(user, cid, mid, model=text_in(body, "model"))
    return await _begin(exchange, user)


async def _begin(exchange: Exchange, user: User) -> HttpResponseBase:
    running = engine()
    running.writers.begin(exchange, user)
    conversation = exchange.conversation.pk
    await running.log.append(conversation, Kind.ADDED, message=exchange.reply.pk)
    if exchange.named:
        await running.log.append(conversation, Kind.RENAMED)
    return told(
        {
            "conversation": conversation,
            "person": exchange.person.pk,
            "reply": exchange.reply.pk,
        }
    )


@require_POST
@in_our_shape
async def stop(request: HttpRequest, cid: str, mid: int) -> HttpResponseBase:
    """Stop a reply, wherever it is written; the upstream is cancelled."""
    user = await person_of(request)
    if await sync_to_async(messages.ask_to_stop)(user, cid, mid):
        engine().writers.stop(mid)
    return told({})


@require_POST
@in_our_shape
async def take_back(request: HttpRequest, cid: str, mid: int) -> HttpResponseBase:
    """Delete a message that was refused; its text goes back into the composer."""
    user = await person_of(request)
    text = await sync_to_async(messages.take_back)(user, cid, mid)
    await engine().log.append(cid, Kind.CHANGED, message=mid)
    return told({"text": text})


@require_POST
@in_our_shape
async def feedback(request: HttpRequest, cid: str, mid: int) -> HttpResponseBase:
    """A thumb up or down, or none."""
    user = await person_of(request)
    good = json_body(request).get("good")
    if good is not None and not isinstance(good, bool):
        raise InvalidRequest(_("`good` must be true, false or null."), param="good")
    await sync_to_async(messages.give_feedback)(user, cid, mid, good)
    return told({})


@require_GET
@in_our_shape
async def text(request: HttpRequest, cid: str, mid: int) -> HttpResponseBase:
    """A message's text as it was written, to copy or edit it."""
    user = await person_of(request)
    found = await sync_to_async(_text)(user, cid, mid)
    response = HttpResponse(found, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


def _text(user: User, cid: str, mid: int) -> str:
    conversation = get_conversation(user, cid)
    message = messages.get_message(conversation, mid)
    return Seal(conversation).open(message.sealed_text, "text")


@require_POST
@in_our_shape
async def typing(request: HttpRequest, cid: str) -> HttpResponseBase:
    """Say to those who are here that one is typing; never what."""
    user = await person_of(request)
    await sync_to_async(get_conversation)(user, cid, write=True)
    await engine().log.append(cid, Kind.TYPING, user=str(user.pk))
    return told({})
