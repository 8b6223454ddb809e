"""A deployment as somebody wants it, checked; and what makes one state wider than another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

from gateway.deployments.addresses import clean_base_url, is_ollama_cloud
from gateway.deployments.models import ENDPOINTS, Deployment, Provider
from policies.engine.facts import (
    EVERYTHING_CLEARED,
    NOTHING_CLEARED,
    Clearance,
    DeploymentFacts,
    Evidence,
    Zone,
)

MODALITIES = ("text", "image", "audio", "video", "file")
# What an adapter does with each is said there: gateway.providers.
OPTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        Provider.OPENAI_COMPATIBLE.value: frozenset({"allow_private", "dialect"}),
        Provider.LITELLM_CLOUD.value: frozenset(
            {"allow_private", "litellm_provider", "drop_params"}
        ),
    }
)
_DIALECTS = frozenset({"ollama", "gpt4all"})
_YES_NO = frozenset({"allow_private", "drop_params"})
_ZONE_TRUST = {Zone.CLOUD: 0, Zone.PRIVATE_CLOUD: 1, Zone.ON_PREM: 2}
_MAX_TIMEOUT_S = 3600.0


def default_clearance(zone: Zone) -> Clearance:
    """What a zone's deployments may receive unless somebody says otherwise."""
    return EVERYTHING_CLEARED if zone is Zone.ON_PREM else NOTHING_CLEARED


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """Everything about a deployment but its credential. `clearance` None: the zone's default.

    Times in seconds: until connected, until the answer begins, between two parts of it.
    """

    name: str
    base_url: str
    upstream_model: str
    zone: Zone
    provider: str = Provider.OPENAI_COMPATIBLE.value
    clearance: Clearance | None = None
    endpoints: frozenset[str] = frozenset({"chat.completions"})
    modalities: frozenset[str] = frozenset({"text"})
    vendor: str = ""
    region: str = ""
    retention_days: int | None = None
    trains_on_data: bool | None = None
    evidence: tuple[Evidence, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 120.0
    idle_timeout_s: float = 60.0
    enabled: bool = False

    def wanted_clearance(self) -> Clearance:
        """The clearance with the zone's default filled in."""
        return self.clearance if self.clearance is not None else default_clearance(self.zone)


def checked(spec: DeploymentSpec) -> dict[str, object]:
    """The row's fields for a spec, without clearance and `enabled`.

    Raises ValidationError with a message per field (`error.message_dict`).
    """
    problems: dict[str, str] = {}
    base_url = spec.base_url
    try:
        validate_slug(spec.name)
    except ValidationError:
        problems["name"] = "A name has letters, digits, - and _ only."
    try:
        base_url = clean_base_url(spec.base_url)
    except ValidationError as error:
        problems["base_url"] = error.messages[0]
    problems |= _check_choices(spec) | _check_options(spec)
    if problems:
        raise ValidationError(problems)
    return {
        "name": spec.name,
        "provider": spec.provider,
        "base_url": base_url,
        "upstream_model": spec.upstream_model.strip(),
        "zone": spec.zone.value,
        "endpoints": sorted(spec.endpoints),
        "modalities": sorted(spec.modalities),
        "vendor": spec.vendor.strip(),
        "region": spec.region.strip(),
        "retention_days": spec.retention_days,
        "trains_on_data": spec.trains_on_data,
        "evidence": [_stored(item) for item in spec.evidence],
        "options": dict(sorted(spec.options.items())),
        "connect_timeout_s": float(spec.connect_timeout_s),
        "first_byte_timeout_s": float(spec.first_byte_timeout_s),
        "idle_timeout_s": float(spec.idle_timeout_s),
    }


def _check_choices(spec: DeploymentSpec) -> dict[str, str]:
    problems: dict[str, str] = {}
    if spec.provider not in OPTIONS:
        problems["provider"] = f"Use one of {', '.join(sorted(OPTIONS))}."
    if not spec.upstream_model.strip():
        problems["upstream_model"] = "Say what the server calls the model."
    elif is_ollama_cloud(spec.upstream_model) and spec.zone is not Zone.CLOUD:
        problems["upstream_model"] = (
            "Ollama passes this model on to its own cloud: its zone can only be cloud."
        )
    if not spec.endpoints or spec.endpoints - set(ENDPOINTS):
        problems["endpoints"] = f"Name at least one of {', '.join(ENDPOINTS)}."
    if not spec.modalities or spec.modalities - set(MODALITIES):
        problems["modalities"] = f"Name at least one of {', '.join(MODALITIES)}."
    for name in ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s"):
        if not 0 < getattr(spec, name) <= _MAX_TIMEOUT_S:
            problems[name] = f"Seconds, above 0 and at most {_MAX_TIMEOUT_S:.0f}."
    return problems


def _check_options(spec: DeploymentSpec) -> dict[str, str]:
    known = OPTIONS.get(spec.provider, frozenset())
    unknown = sorted(set(spec.options) - known)
    if unknown:
        return {"options": f"Unknown option {unknown[0]!r}: use any of {', '.join(sorted(known))}."}
    if spec.options.get("dialect", "ollama") not in _DIALECTS:
        return {"options": f"dialect is one of {', '.join(sorted(_DIALECTS))}."}
    for name in sorted(set(spec.options) & _YES_NO):
        if spec.options[name] not in {"yes", "no"}:
            return {"options": f"{name} is yes or no."}
    if spec.provider == Provider.LITELLM_CLOUD and not spec.options.get("litellm_provider"):
        return {"options": "litellm_cloud needs litellm_provider, such as anthropic or gemini."}
    if spec.zone is Zone.ON_PREM and spec.options.get("allow_private") == "yes":
        return {"options": "allow_private is for other zones: on_prem is always private."}
    return {}


def _stored(item: Evidence) -> dict[str, str]:
    stored = {"kind": item.kind, "reference": item.reference}
    if item.valid_until is not None:
        stored["valid_until"] = item.valid_until.isoformat()
    return stored


def spec_of(row: Deployment) -> DeploymentSpec:
    """The spec that a row fulfils."""
    facts = row.facts()
    return DeploymentSpec(
        name=row.name,
        base_url=row.base_url,
        upstream_model=row.upstream_model,
        zone=facts.zone,
        provider=row.provider,
        clearance=facts.clearance,
        endpoints=facts.endpoints,
        modalities=facts.modalities,
        vendor=row.vendor,
        region=row.region,
        retention_days=row.retention_days,
        trains_on_data=row.trains_on_data,
        evidence=facts.evidence,
        options=dict(row.options),
        connect_timeout_s=row.connect_timeout_s,
        first_byte_timeout_s=row.first_byte_timeout_s,
        idle_timeout_s=row.idle_timeout_s,
        enabled=row.enabled,
    )


def facts_of(spec: DeploymentSpec) -> DeploymentFacts:
    """As policies would see it, switched on. No I/O."""
    return DeploymentFacts(
        name=spec.name,
        zone=spec.zone,
        clearance=spec.wanted_clearance(),
        endpoints=spec.endpoints,
        modalities=spec.modalities,
        vendor=spec.vendor.strip() or None,
        region=spec.region.strip() or None,
        retention_days=spec.retention_days,
        trains_on_data=spec.trains_on_data,
        evidence=spec.evidence,
        enabled=True,
    )


def goes_elsewhere(before: DeploymentSpec, after: DeploymentSpec) -> bool:
    """Whether what was judged when the clearance was given is not what would be reached now."""
    return (before.provider, before.base_url, before.zone, dict(before.options)) != (
        after.provider,
        after.base_url.strip().rstrip("/"),
        after.zone,
        dict(after.options),
    )


def same_server(before: DeploymentSpec, after: DeploymentSpec) -> bool:
    """Whether scheme, host, port and provider are the same, so that a credential may stay."""
    old, new = urlsplit(before.base_url), urlsplit(after.base_url.strip())
    return (before.provider, old.scheme, old.netloc) == (after.provider, new.scheme, new.netloc)


def admits_more(after: Clearance, before: Clearance) -> bool:
    """Whether `after` admits anything that `before` does not."""
    if after.sensitivity > before.sensitivity:
        return True
    if before.categories is None:
        return False
    return after.categories is None or not after.categories <= before.categories


def zone_is_trusted_more(after: Zone, before: Zone) -> bool:
    """Whether rules and defaults trust the new zone with more."""
    return _ZONE_TRUST[after] > _ZONE_TRUST[before]


def evidence_lasts_longer(after: tuple[Evidence, ...], before: tuple[Evidence, ...]) -> bool:
    """Whether the clearance would stand on a day on which it would have fallen before."""
    return _falls_on(after) > _falls_on(before)


def _falls_on(evidence: tuple[Evidence, ...]) -> date:
    return min(
        (item.valid_until for item in evidence if item.valid_until is not None), default=date.max
    )
