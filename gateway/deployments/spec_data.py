"""A deployment's spec as plain data, and back: what waits for a second person is stored so."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from gateway.deployments.spec import DeploymentSpec
from policies.engine.facts import Clearance, Evidence, Zone
from policies.engine.labels import Sensitivity


def spec_data(spec: DeploymentSpec) -> dict[str, Any]:
    """Everything that `spec_from` needs; equal for equal specs."""
    clearance = spec.wanted_clearance()
    return {
        "name": spec.name,
        "base_url": spec.base_url.strip().rstrip("/"),
        "upstream_model": spec.upstream_model.strip(),
        "zone": spec.zone.value,
        "provider": spec.provider,
        "sensitivity": clearance.sensitivity.word,
        "categories": None if clearance.categories is None else sorted(clearance.categories),
        "endpoints": sorted(spec.endpoints),
        "modalities": sorted(spec.modalities),
        "vendor": spec.vendor.strip(),
        "region": spec.region.strip(),
        "retention_days": spec.retention_days,
        "trains_on_data": spec.trains_on_data,
        "evidence": [
            {
                "kind": each.kind,
                "reference": each.reference,
                "valid_until": each.valid_until.isoformat() if each.valid_until else None,
            }
            for each in spec.evidence
        ],
        "options": dict(sorted(spec.options.items())),
        "connect_timeout_s": float(spec.connect_timeout_s),
        "first_byte_timeout_s": float(spec.first_byte_timeout_s),
        "idle_timeout_s": float(spec.idle_timeout_s),
        "enabled": spec.enabled,
    }


def spec_from(data: Mapping[str, Any]) -> DeploymentSpec:
    """The spec again. Raises KeyError, ValueError for data that `spec_data` did not make."""
    categories = data["categories"]
    return DeploymentSpec(
        name=data["name"],
        base_url=data["base_url"],
        upstream_model=data["upstream_model"],
        zone=Zone(data["zone"]),
        provider=data["provider"],
        clearance=Clearance(
            Sensitivity.from_word(data["sensitivity"]),
            None if categories is None else frozenset(categories),
        ),
        endpoints=frozenset(data["endpoints"]),
        modalities=frozenset(data["modalities"]),
        vendor=data["vendor"],
        region=data["region"],
        retention_days=data["retention_days"],
        trains_on_data=data["trains_on_data"],
        evidence=tuple(
            Evidence(
                kind=each["kind"],
                reference=each["reference"],
                valid_until=date.fromisoformat(each["valid_until"])
                if each["valid_until"]
                else None,
            )
            for each in data["evidence"]
        ),
        options=dict(data["options"]),
        connect_timeout_s=data["connect_timeout_s"],
        first_byte_timeout_s=data["first_byte_timeout_s"],
        idle_timeout_s=data["idle_timeout_s"],
        enabled=data["enabled"],
    )
