"""What a decision is made from: deployments, and one request, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from policies.engine.labels import Label, Sensitivity


class Zone(StrEnum):
    """Whose machines the bytes would be processed on."""

    ON_PREM = "on_prem"
    PRIVATE_CLOUD = "private_cloud"
    CLOUD = "cloud"


class Endpoint(StrEnum):
    """The relay endpoints, named as policies name them."""

    CHAT_COMPLETIONS = "chat.completions"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class Clearance:
    """The highest sensitivity and the categories that a deployment may receive.

    `categories` None means every category, those added later included.
    """

    sensitivity: Sensitivity
    categories: frozenset[str] | None


NOTHING_CLEARED = Clearance(Sensitivity.PUBLIC, frozenset())
EVERYTHING_CLEARED = Clearance(Sensitivity.RESTRICTED, None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a clearance is deserved. After `valid_until` the clearance falls to (public, none)."""

    kind: str  # "contract", "assessment", or the organisation's own word
    reference: str
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """One upstream model in one place, as far as policy is concerned (no address, no secret).

    None means unknown, and unknown counts as the worst value in every condition.
    """

    name: str
    zone: Zone
    clearance: Clearance
    endpoints: frozenset[str]
    modalities: frozenset[str] = frozenset({"text"})
    vendor: str | None = None
    region: str | None = None
    retention_days: int | None = None
    trains_on_data: bool | None = None
    evidence: tuple[Evidence, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """One request as the policy sees it: never its text.

    `digest` names the bytes that were labelled. `label` is the joined label
    before masking. `unmaskable` is what of it masking can never take away: floors, declared and
    inherited labels, opaque parts. `data_classes` counts findings by class.
    `class_labels` gives the label one finding of each class contributes.
    `unread`: a scan failed or ran out of time, so that nobody knows what there is to mask.
    `suspended` names the rules (`organisation:health-stays`) that an exception or an approval
    for this digest takes out of effect; whoever fills it has checked who granted it.
    """

    decision_id: str
    digest: str
    endpoint: str
    alias: str
    label: Label
    now: datetime  # aware, UTC
    unmaskable: Label = field(default_factory=Label)
    data_classes: Mapping[str, int] = field(default_factory=dict)
    class_labels: Mapping[str, Label] = field(default_factory=dict)
    unread: bool = False
    groups: frozenset[str] = frozenset()
    key: str = ""  # the visible prefix of the API key
    size_bytes: int = 0
    modalities: frozenset[str] = frozenset({"text"})
    tools: frozenset[str] = frozenset()  # "function", "web_search", "mcp", …
    reach_out: frozenset[str] = frozenset()  # "remote_image", "web_search", "mcp", …
    budget: str = "ok"  # "ok", "warned", "exhausted"
    on_prem_only_because: str = ""  # "egress_stopped", "snapshot_stale", "budget_exhausted"
    suspended: frozenset[str] = frozenset()
