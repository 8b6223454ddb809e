"""Asking model recognizers: the only way by which a text leaves before it has a label.

INVARIANTS
- It goes to what a scan permit lists: one deployment, on_prem, cleared for everything, as the
  decision's snapshot says and as the newest one still says (semantic rule 10).
- Every question is noted for the decision's record, with how it went.
- Whatever fails is no answer, and no answer is opaque. Nothing is asked twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from gateway.inference.contracts import Asked
from gateway.inference.exchange import Decided
from gateway.inference.hearing import Hearing, Spans
from gateway.inference.surroundings import Surroundings
from gateway.protocol.classifying import (
    CHAT_PATH,
    CLASSIFY_PATH,
    POOLING_PATH,
    TOKENIZE_PATH,
    Unusable,
    batch_body,
    chat_body,
    read_chatted,
    read_classified,
    read_pooled,
    tokenize_body,
    united,
)
from gateway.protocol.errors import FailClosed
from gateway.providers.calls import Call, Destination, ProviderError
from policies.classification.model_recognizers import Asks
from policies.classification.windows import Place, windows
from policies.engine.facts import Zone
from policies.engine.permit import Permit
from policies.engine.scanning import scan_permit

log = logging.getLogger(__name__)

MOST_WINDOWS = 2000  # of one request and recognizer; more is too much to wait for
WINDOWS_AT_ONCE = 32  # in one question of `classify` and `token_classify`
QUESTIONS_AT_ONCE = 4
MOST_ANSWER_BYTES = 32 * 1024 * 1024
# A decision asks about the request, then about each masked body; more is a defect.
ROUNDS = 4


class NotAsked(Exception):
    """The recognizer gave no answer. `code`: how the audit names it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def hear(gateway: Surroundings, decided: Decided) -> None:
    """Ask about everything that the decision missed. Raises FailClosed while the journal denies:
    what could not be noted is not asked."""
    hearing = decided.hearing
    if hearing is None or not hearing.missing:
        return
    if gateway.journal.fault is not None:
        raise FailClosed(
            "The audit journal cannot be written, so nothing was sent.", param="journal"
        )
    missing = {name: list(texts) for name, texts in hearing.missing.items()}
    asked = [each for each in decided.view.asked if each.recognizer.name in missing]
    answers = await asyncio.gather(
        *(_ask(gateway, decided, each, missing[each.recognizer.name]) for each in asked)
    )
    for each, (found, how) in zip(asked, answers, strict=True):
        recognizer = each.recognizer
        hearing.hear(recognizer.name, found)
        hearing.scans.append([recognizer.name, recognizer.deployment, how])


async def _ask(
    gateway: Surroundings, decided: Decided, asked: Asked, texts: Sequence[str]
) -> tuple[Mapping[str, Spans | None], str]:
    """The answers of one recognizer, and how it went. Never raises but when cancelled."""
    recognizer = asked.recognizer
    try:
        async with asyncio.timeout(recognizer.timeout_s):
            return await _Questions(gateway, decided, asked).about(texts), "ok"
    except TimeoutError:
        how = "timeout"
    except NotAsked as error:
        how = error.code
    except ProviderError as error:
        how = error.code
    except Unusable:
        how = "unusable"
    except FailClosed:
        how = "snapshot"
    log.warning(
        "model recognizer %s of project %s gave no answer (%s): what it should have judged counts "
        "as opaque",
        recognizer.name,
        decided.view.slug,
        how,
    )
    return dict.fromkeys(texts), how


class _Questions:
    """Everything that one request asks one recognizer."""

    def __init__(self, gateway: Surroundings, decided: Decided, asked: Asked) -> None:
        self._gateway = gateway
        self._recognizer = asked.recognizer
        self._permit = permit_for(decided, asked, now=gateway.now())
        if not self._permit.allowed:
            raise NotAsked("not_permitted")
        self._decided = decided
        self._places = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def about(self, texts: Sequence[str]) -> dict[str, Spans | None]:
        recognizer = self._recognizer
        cut = {text: windows(text, recognizer.window, recognizer.overlap) for text in texts}
        pieces = list(dict.fromkeys(text[a:b] for text, places in cut.items() for a, b in places))
        if len(pieces) > MOST_WINDOWS:
            raise NotAsked("too_long")
        found = dict(zip(pieces, await self._judge(pieces), strict=True))
        return {text: _whole(text, places, found) for text, places in cut.items()}

    async def _judge(self, pieces: Sequence[str]) -> list[Spans]:
        if self._recognizer.asks is Asks.CHAT:
            return await self._together([self._chat(piece) for piece in pieces])
        ask = self._classify if self._recognizer.asks is Asks.CLASSIFY else self._tag
        batches = [
            pieces[start : start + WINDOWS_AT_ONCE]
            for start in range(0, len(pieces), WINDOWS_AT_ONCE)
        ]
        found: list[Spans] = []
        for batch in batches:
            found += await ask(batch)
        return found

    async def _together(self, questions: Sequence[Awaitable[Spans]]) -> list[Spans]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_awaited(question)) for question in questions]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the first one cancelled the others
        return [task.result() for task in tasks]

    async def _chat(self, piece: str) -> Spans:
        destination = self._destination()
        body = chat_body(self._recognizer, destination.upstream_model, piece)
        answer = await self._send(CHAT_PATH, body, beside=False)
        return united(read_chatted(self._recognizer, piece, answer), piece)

    async def _classify(self, batch: Sequence[str]) -> list[Spans]:
        answer = await self._send(CLASSIFY_PATH, self._batch(batch), beside=True)
        return [tuple(spans) for spans in read_classified(self._recognizer, batch, answer)]

    async def _tag(self, batch: Sequence[str]) -> list[Spans]:
        model = self._destination().upstream_model
        answer = await self._send(POOLING_PATH, self._batch(batch), beside=True)
        tokenized = [
            await self._send(TOKENIZE_PATH, tokenize_body(model, piece), beside=True)
            for piece in batch
        ]
        return [tuple(spans) for spans in read_pooled(self._recognizer, batch, answer, tokenized)]

    def _batch(self, batch: Sequence[str]) -> bytes:
        return batch_body(self._recognizer.asks, self._destination().upstream_model, batch)

    def _destination(self) -> Destination:
        """Where the model is, if it is this instant what was permitted."""
        name = self._recognizer.deployment
        current, _ = self._gateway.fresh_snapshot()
        destination = current.destinations.get(name)
        decided = self._decided.snapshot.destinations.get(name)
        if destination is None or not destination.is_where(decided):
            raise NotAsked("deployment_changed")
        if destination.zone is not Zone.ON_PREM:
            raise NotAsked("not_on_prem")
        return destination

    async def _send(self, path: str, body: bytes, *, beside: bool) -> bytes:
        async with self._places:
            destination = self._destination()
            provider = self._gateway.providers.get(destination.provider)
            if provider is None:
                raise NotAsked("provider_missing")
            answer = await provider.send(
                Call(
                    permit=self._permit,
                    destination=destination,
                    path=path,
                    body=body,
                    stream=False,
                    request_id=self._decided.inbound.request_id,
                    beside_version=beside,
                )
            )
            try:
                if answer.status != 200:
                    raise NotAsked(f"http_{answer.status}")
                return await answer.read(MOST_ANSWER_BYTES)
            finally:
                await answer.aclose()


def permit_for(decided: Decided, asked: Asked, *, now: datetime) -> Permit:
    """The scan permit of one recognizer for one request."""
    return scan_permit(
        asked.recognizer.deployment,
        asked.facts,
        worst=decided.view.policy.taxonomy.worst,
        decision_id=decided.facts.decision_id,
        digest=decided.facts.digest,
        revision=decided.view.policy.revision,
        now=now,
    )


async def _awaited(question: Awaitable[Spans]) -> Spans:
    return await question


def _whole(text: str, places: Sequence[Place], found: Mapping[str, Spans]) -> Spans:
    """What was found in the windows, as places of the text."""
    return united(
        (
            span._replace(start=span.start + start, end=span.end + start)
            for start, end in places
            for span in found[text[start:end]]
        ),
        text,
    )


async def decided_asking(
    gateway: Surroundings, decided: Decided, again: Callable[[Hearing], Decided]
) -> Decided:
    """Ask what a decision missed and decide `again`, until nothing is missing.

    What is still missing after some rounds stays opaque. Raises as `hear` and `again`.
    """
    for _ in range(ROUNDS):
        if decided.hearing is None or not decided.hearing.missing:
            break
        await hear(gateway, decided)
        decided = again(decided.hearing)
    return decided
