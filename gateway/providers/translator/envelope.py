"""What the gateway hands to the translator: one call, whole. No litellm here."""

from datetime import datetime
from ipaddress import ip_network

import msgspec
from typing_extensions import override

from gateway.providers.calls import Call, Destination, RequestRefused
from policies.engine.facts import Zone

PATH = "/translate"
FAILURE_HEADER = "translator-failure"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call. `digest` and `decision_id` are the permit's; times are in seconds.

    `valid_for_s`: for how long from now the permit holds.
    """

    decision_id: str
    digest: str
    valid_for_s: float
    request_id: str
    deployment: str
    zone: str
    base_url: str
    credential: str
    networks: list[str]
    options: dict[str, str]
    model: str  # the upstream's name for it
    vendor: str  # litellm's name for the dialect: "anthropic", "gemini"
    path: str  # "/chat/completions"
    stream: bool
    connect_timeout_s: float
    first_byte_timeout_s: float
    idle_timeout_s: float
    body: msgspec.Raw

    @override
    def __repr__(self) -> str:
        """Without credential and content."""
        return f"Envelope({self.decision_id})"

    def destination(self) -> Destination:
        """The one destination this call may reach."""
        return Destination(
            deployment=self.deployment,
            provider="litellm_cloud",
            zone=Zone(self.zone),
            base_url=self.base_url,
            upstream_model=self.model,
            credential=self.credential,
            networks=tuple(ip_network(text) for text in self.networks),
            connect_timeout_s=self.connect_timeout_s,
            first_byte_timeout_s=self.first_byte_timeout_s,
            idle_timeout_s=self.idle_timeout_s,
            options=self.options,
        )


def vendor_of(destination: Destination) -> str:
    """litellm's name for the dialect. Raises RequestRefused without `litellm_provider`."""
    vendor = destination.options.get("litellm_provider", "")
    if not vendor:
        raise RequestRefused(f"deployment {destination.deployment} lacks option litellm_provider")
    return vendor


def envelope_of(call: Call, *, now: datetime) -> bytes:
    """A call as the translator reads it, at `now`. Raises as `vendor_of` does."""
    destination = call.destination
    vendor = vendor_of(destination)
    envelope = Envelope(
        decision_id=call.permit.decision_id,
        digest=call.permit.digest,
        valid_for_s=(call.permit.expires_at - now).total_seconds(),
        request_id=call.request_id,
        deployment=destination.deployment,
        zone=destination.zone.value,
        base_url=destination.base_url,
        credential=destination.credential,
        networks=[str(network) for network in destination.networks],
        options=dict(destination.options),
        model=destination.upstream_model,
        vendor=vendor,
        path=call.path,
        stream=call.stream,
        connect_timeout_s=destination.connect_timeout_s,
        first_byte_timeout_s=destination.first_byte_timeout_s,
        idle_timeout_s=destination.idle_timeout_s,
        body=msgspec.Raw(call.body),
    )
    return msgspec.json.encode(envelope)
