"""Servers that speak OpenAI's dialect: vLLM, Ollama, llama.cpp, GPT4All, any OpenAI-shaped cloud.

Sends what it was given, to where the permit says, with a fixed set of headers; the answer passes
through as bytes. Knows no model, reads no body, unless the destination names a dialect
(`gateway.providers.dialects`).

Options of a destination: `dialect`, and `allow_private` ("yes": a zone other than on_prem may have
a private address).
"""

from gateway.providers.calls import Answer, Call, Destination, RequestRefused
from gateway.providers.connection import Times
from gateway.providers.dialects import BODIES, answer_in, body_in, is_ollama_cloud
from gateway.providers.http_client import HttpClient
from gateway.providers.ollama import Whereabouts
from gateway.providers.permit_check import Clock, check_permit, utc_now
from gateway.providers.queues import waiting_at
from gateway.providers.request_head import header_line, request_line
from gateway.providers.targets import Target, target_of
from policies.engine.facts import Zone

_MOST_PREPARED = 256  # destinations remembered; the snapshot replaces them when they change


class _Prepared:
    """What is the same for every request to one destination.

    `destination` is kept so that its identity stays its own while this entry lives.
    """

    __slots__ = ("destination", "dialect", "fixed", "prefix", "target", "times")

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        if destination.zone is Zone.ON_PREM and is_ollama_cloud(destination.upstream_model):
            raise RequestRefused(
                f"deployment {destination.deployment}: Ollama forwards this model to ollama.com, "
                "so its zone cannot be on_prem"
            )
        self.dialect = destination.options.get("dialect", "")
        if self.dialect and self.dialect not in BODIES:
            raise RequestRefused(
                f"deployment {destination.deployment}: option dialect must be one of "
                + ", ".join(BODIES)
            )
        target, self.prefix = target_of(destination)
        self.target: Target = target
        self.times = Times(destination.first_byte_timeout_s, destination.idle_timeout_s)
        self.fixed = (
            header_line("host", target.authority)
            + b"user-agent: sluice\r\naccept-encoding: identity\r\n"
            + b"content-type: application/json\r\n"
        )
        if destination.credential:
            self.fixed += header_line("authorization", f"Bearer {destination.credential}")


class OpenAICompatible:
    """The adapter. One instance serves all destinations of one event loop."""

    def __init__(self, *, client: HttpClient | None = None, clock: Clock = utc_now) -> None:
        self._client = HttpClient() if client is None else client
        self._clock = clock
        self._prepared: dict[int, _Prepared] = {}
        self._whereabouts = Whereabouts(self._client)

    async def send(self, call: Call) -> Answer:
        """POST the body to `{base_url}{path}`. Raises ProviderError before the answer's head;
        statuses of 400 and above are answers."""
        check_permit(call, now=self._clock())
        prepared = self._prepare(call.destination)
        dialect = prepared.dialect
        if dialect == "ollama" and call.destination.zone is Zone.ON_PREM:
            await self._whereabouts.require_local(
                call.destination, prepared.target, prepared.prefix, prepared.fixed
            )
        body = body_in(dialect, call.body) if dialect else call.body
        prefix = prepared.prefix.removesuffix("/v1") if call.beside_version else prepared.prefix
        head = b"".join(
            (
                request_line("POST", prefix + call.path),
                prepared.fixed,
                b"accept: text/event-stream\r\n"
                if call.stream
                else b"accept: application/json\r\n",
                header_line("x-request-id", call.request_id),
                b"content-length: %d\r\n\r\n" % len(body),
            )
        )
        answer = await self._client.send(
            prepared.target,
            head,
            body,
            times=prepared.times,
            connect_timeout_s=call.destination.connect_timeout_s,
            still=lambda: check_permit(call, now=self._clock()),
        )
        if not dialect:
            return answer
        model = call.destination.upstream_model
        return await answer_in(dialect, answer, stream=call.stream, model=model)

    async def waiting(self, destination: Destination) -> int | None:
        """How many requests wait at an on-prem server; None: it does not say, or is none. Raises
        ProviderError."""
        if destination.zone is not Zone.ON_PREM:
            return None
        prepared = self._prepare(destination)
        return await waiting_at(
            self._client, destination, prepared.target, prepared.prefix, prepared.fixed
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    def _prepare(self, destination: Destination) -> _Prepared:
        known = self._prepared.get(id(destination))
        if known is None:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared.clear()
            known = self._prepared[id(destination)] = _Prepared(destination)
        return known
