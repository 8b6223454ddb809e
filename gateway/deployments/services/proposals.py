"""Servers and vendors that were found: proposals, off until an admin says what may go there."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from django.core.exceptions import ValidationError

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import User
from gateway.audit.event_types import EventType
from gateway.deployments.addresses import is_ollama_cloud
from gateway.deployments.credentials import encrypt
from gateway.deployments.models import Deployment, Provider
from gateway.deployments.probing import Found
from gateway.deployments.services.registry import change_deployment
from gateway.deployments.spec import DeploymentSpec, checked, spec_of
from policies.engine.facts import Clearance, Endpoint, Zone

_CHAT = frozenset({Endpoint.CHAT_COMPLETIONS.value})
# The vendors whose key may stand in the environment: where they are, and a model to begin with.
VENDORS: Mapping[str, DeploymentSpec] = MappingProxyType(
    {
        "openai": DeploymentSpec(
            name="openai",
            base_url="https://api.openai.com/v1",
            upstream_model="gpt-4.1-mini",
            zone=Zone.CLOUD,
            vendor="OpenAI",
        ),
        "anthropic": DeploymentSpec(
            name="anthropic",
            provider=Provider.LITELLM_CLOUD.value,
            base_url="https://api.anthropic.com",
            upstream_model="claude-sonnet-4-5",
            zone=Zone.CLOUD,
            vendor="Anthropic",
            options={"litellm_provider": "anthropic"},
        ),
        "gemini": DeploymentSpec(
            name="gemini",
            provider=Provider.LITELLM_CLOUD.value,
            base_url="https://generativelanguage.googleapis.com",
            upstream_model="gemini-2.5-flash",
            zone=Zone.CLOUD,
            vendor="Google",
            options={"litellm_provider": "gemini"},
        ),
    }
)


# An Ollama is asked whether it runs a model itself; a GPT4All takes fewer fields.
_DIALECTS = {"Ollama": {"dialect": "ollama"}, "GPT4All": {"dialect": "gpt4all"}}


def propose(
    *, by: Acting, found: Iterable[Found], vendor_keys: Mapping[str, str]
) -> list[Deployment]:
    """Note what was found, once each: every proposal is off and cleared for nothing.

    What is on the loopback is proposed as cloud, the worst that it could be. `vendor_keys` maps a
    vendor of VENDORS to its API key. Returns the new rows.
    """
    require_admin(by)
    made: list[Deployment] = []
    with changing():
        for item in found:
            known = Deployment.objects.filter(
                base_url=item.base_url, upstream_model=item.model
            ).exists()
            if not known:
                made.append(_propose(by, _spec_of_found(item), "", item.origin))
        for vendor, key in vendor_keys.items():
            spec = VENDORS.get(vendor)
            if spec is not None and not Deployment.objects.filter(base_url=spec.base_url).exists():
                made.append(_propose(by, spec, key, "environment"))
    return made


def _spec_of_found(item: Found) -> DeploymentSpec:
    return DeploymentSpec(
        name=re.sub(r"[^a-z0-9]+", "-", item.model.lower()).strip("-")[:50] or "model",
        base_url=item.base_url,
        upstream_model=item.model,
        zone=Zone.CLOUD,
        endpoints=_CHAT,
        options=dict(_DIALECTS.get(item.origin, {})),
    )


def _propose(by: Acting, spec: DeploymentSpec, credential: str, origin: str) -> Deployment:
    fields = checked(spec) | {"name": _free_name(spec.name)}
    row = Deployment(**fields, enabled=False, proposed=True, credential=encrypt(credential))
    row.save(force_insert=True)
    record_change(
        by,
        EventType.DEPLOYMENT_PROPOSED,
        "deployment",
        row.pk,
        name=row.name,
        provider=row.provider,
        origin=origin,
    )
    return row


def _free_name(name: str) -> str:
    taken = set(Deployment.objects.filter(name__startswith=name).values_list("name", flat=True))
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def confirm_proposal(
    *,
    by: Acting,
    deployment: Deployment,
    zone: Zone,
    clearance: Clearance | None = None,
    approved_by: User | None = None,
) -> Deployment:
    """Say where a proposal is and what may go there, and switch it on.

    `clearance` None: what the zone's default is. A model of Ollama's cloud can only be cloud.
    Raises PermissionDenied, ValidationError, SecondPersonNeeded.
    """
    require_admin(by)
    if not deployment.proposed:
        raise ValidationError("This deployment is no proposal.")
    if is_ollama_cloud(deployment.upstream_model) and zone is not Zone.CLOUD:
        raise ValidationError("Ollama passes this model on to its own cloud: its zone is cloud.")
    before = spec_of(deployment)
    spec = DeploymentSpec(
        name=before.name,
        provider=before.provider,
        base_url=before.base_url,
        upstream_model=before.upstream_model,
        zone=zone,
        clearance=clearance,
        endpoints=before.endpoints,
        modalities=before.modalities,
        vendor=before.vendor,
        options=_options_for(before, zone),
        enabled=True,
    )
    return change_deployment(
        by=by, deployment=deployment, spec=spec, approved_by=approved_by, restate_clearance=True
    )


def _options_for(spec: DeploymentSpec, zone: Zone) -> dict[str, str]:
    """A server on the loopback that is no on_prem one needs leave to be reached there."""
    options = dict(spec.options)
    if zone is not Zone.ON_PREM and spec.base_url.startswith("http://127.0.0.1:"):
        options["allow_private"] = "yes"
    return options
