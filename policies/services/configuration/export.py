"""From what the database has to the text of a file. Applying it again changes nothing.

Secrets are not in it: a credential stays where the file says it comes from. Left out: people's
accounts, keys, service accounts, proposals, and the demo models, whose address is new at every
start.
"""

from collections.abc import Iterable
from typing import Any

import yaml

from gateway.accounts.limits import as_stated
from gateway.deployments.models import Deployment
from gateway.deployments.services.registry import clearance_words
from gateway.deployments.spec import DeploymentSpec
from policies.engine.labels import Label
from policies.services.configuration.model_recognizers import as_data as models_as_data
from policies.services.configuration.money import (
    budgets_as_data,
    price_as_data,
    rates_as_data,
)
from policies.services.configuration.present import read_present
from policies.services.configuration.recognizers import as_data
from policies.services.configuration.suspensions import as_data as exceptions_data
from policies.services.configuration.wanted import DeploymentWanted, ProjectWanted, Wanted
from policies.services.configuration.yaml_reader import Dumper


def export() -> str:
    """The whole configuration as YAML. Reads the database."""
    builtin = set(Deployment.objects.filter(builtin=True).values_list("name", flat=True))
    return as_yaml(read_present(), without=builtin)


def as_yaml(present: Wanted, *, without: Iterable[str] = ()) -> str:
    """A configuration as YAML; `without` names deployments that are left out."""
    left_out = set(without)
    organisation = present.organisation
    data: dict[str, Any] = {
        "organisation": _said(
            name=organisation.name,
            egress_stopped=organisation.egress_stopped,
            second_person_for_widening=organisation.second_person_for_widening,
            second_person_for_organisation_policy=(
                organisation.second_person_for_organisation_policy
            ),
            second_person_for_project_policies=organisation.second_person_for_project_policies,
            recognizers=as_data(organisation.recognizers) if organisation.recognizers else None,
            model_recognizers=models_as_data(organisation.model_recognizers or {}) or None,
            budgets=budgets_as_data(organisation.budgets),
            policy=organisation.policy,
        ),
        "groups": [
            {"name": slug, "members": list(members)} for slug, members in present.groups.items()
        ],
        "deployments": [
            _deployment(item) for item in present.deployments if item.name not in left_out
        ],
        "aliases": [
            {"name": name, "deployments": list(targets)}
            for name, targets in present.aliases.items()
            if targets
        ],
        "projects": [_project(project) for project in present.projects],
    }
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def _said(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _project(project: ProjectWanted) -> dict[str, Any]:
    return _said(
        slug=project.slug,
        name=project.name,
        floor=_label(project.floor),
        members=[
            {"email": email, "role": role.value} for email, role in (project.members or {}).items()
        ],
        word_lists={
            name: {"category": words.category, "words": list(words.words)}
            for name, words in (project.word_lists or {}).items()
        },
        recognizers=as_data(project.recognizers) if project.recognizers else None,
        model_recognizers=models_as_data(project.model_recognizers or {}) or None,
        grants=list(project.grants or ()),
        exceptions=exceptions_data(project.exceptions) if project.exceptions else None,
        shadow=project.shadow,
        limits=as_stated(project.limits) or None if project.limits is not None else None,
        rate_limits=rates_as_data(project.rate_limits),
        budgets=budgets_as_data(project.budgets),
        policy=project.policy,
    )


def _label(label: Label) -> str | dict[str, Any]:
    if not label.categories:
        return label.sensitivity.word
    return {"sensitivity": label.sensitivity.word, "categories": sorted(label.categories)}


def _deployment(wanted: DeploymentWanted) -> dict[str, Any]:
    spec = wanted.spec
    clearance = spec.wanted_clearance()
    data: dict[str, Any] = {
        "name": spec.name,
        "provider": spec.provider,
        "base_url": spec.base_url,
        "model": spec.upstream_model,
        "zone": spec.zone.value,
        "clearance": {
            "sensitivity": clearance.sensitivity.word,
            "categories": "all" if clearance.categories is None else clearance_words(clearance),
        },
        "endpoints": sorted(spec.endpoints),
        "modalities": sorted(spec.modalities),
    }
    kind, _, source = wanted.credential_source.partition(":")
    if kind in {"env", "file"}:
        data[f"credential_{kind}"] = source
    data |= _said(
        vendor=spec.vendor or None,
        region=spec.region or None,
        retention_days=spec.retention_days,
        trains_on_data=spec.trains_on_data,
        evidence=_evidence(spec) or None,
        options=dict(spec.options) or None,
        timeouts={
            "connect_s": spec.connect_timeout_s,
            "first_byte_s": spec.first_byte_timeout_s,
            "idle_s": spec.idle_timeout_s,
        },
        price=price_as_data(wanted.price),
        rate_limits=rates_as_data(wanted.rate_limits),
        enabled=spec.enabled,
    )
    return data


def _evidence(spec: DeploymentSpec) -> list[dict[str, str]]:
    return [
        {"kind": item.kind, "reference": item.reference}
        | ({"valid_until": item.valid_until.isoformat()} if item.valid_until is not None else {})
        for item in spec.evidence
    ]
