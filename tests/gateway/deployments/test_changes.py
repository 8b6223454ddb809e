"""Deployments: what a change of address costs, what widening takes, what an address may be."""

from dataclasses import replace
from datetime import date

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from pytest_django import Settings

from gateway.accounts.models import ControlVersion, Organisation
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import change_organisation
from gateway.audit.models import AuditEvent
from gateway.deployments.addresses import clean_base_url, is_ollama_cloud
from gateway.deployments.credentials import CredentialUnreadable, decrypt
from gateway.deployments.models import Deployment, Grant
from gateway.deployments.services import (
    SecondPersonNeeded,
    add_grant,
    change_deployment,
    create_deployment,
    remove_deployment,
    remove_grant,
    resume_egress,
    set_alias,
    set_enabled,
    stop_egress,
)
from gateway.deployments.spec import spec_of
from policies.engine.facts import (
    EVERYTHING_CLEARED,
    NOTHING_CLEARED,
    Clearance,
    Evidence,
    Zone,
)
from policies.engine.labels import Sensitivity
from tests.support.world import SETUP, cloud_spec, local_spec, person, project_with

pytestmark = pytest.mark.django_db

INTERNAL = Clearance(Sensitivity.INTERNAL, frozenset({"code"}))
CONFIDENTIAL = Clearance(Sensitivity.CONFIDENTIAL, frozenset({"code"}))


def cloud() -> Deployment:
    return create_deployment(by=SETUP, spec=cloud_spec(), credential="vendor-secret-1")


def events() -> list[str]:
    return list(AuditEvent.objects.order_by("seq").values_list("type", flat=True))


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (Zone.ON_PREM, EVERYTHING_CLEARED),
        (Zone.PRIVATE_CLOUD, NOTHING_CLEARED),
        (Zone.CLOUD, NOTHING_CLEARED),
    ],
)
def test_a_new_deployment_is_cleared_for_its_zones_default(zone: Zone, expected: Clearance) -> None:
    row = create_deployment(by=SETUP, spec=cloud_spec(zone=zone, clearance=None))
    assert row.clearance() == expected
    assert "deployment.clearance_widened" not in events()


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://other.example/v1"},
        {"base_url": "https://vendor.example/v2"},
        {"base_url": "http://vendor.example/v1"},
        {"base_url": "https://vendor.example:8443/v1"},
        {"zone": Zone.PRIVATE_CLOUD},
        {"provider": "litellm_cloud", "options": {"litellm_provider": "anthropic"}},
        {"options": {"allow_private": "yes"}},
    ],
    ids=str,
)
def test_a_deployment_that_moves_is_cleared_for_nothing_and_off(change: dict[str, object]) -> None:
    row = cloud()
    change_deployment(by=SETUP, deployment=row, spec=replace(spec_of(row), **change))  # type: ignore[arg-type]
    row.refresh_from_db()
    assert row.clearance() == NOTHING_CLEARED
    assert not row.enabled
    assert "deployment.address_changed" in events()
    assert "deployment.disabled" in events()


def test_a_slash_at_the_end_is_no_other_address() -> None:
    row = cloud()
    change_deployment(
        by=SETUP, deployment=row, spec=replace(spec_of(row), base_url="https://vendor.example/v1/")
    )
    assert row.enabled
    assert row.clearance() == INTERNAL


def test_a_credential_does_not_follow_to_another_server() -> None:
    row = cloud()
    change_deployment(
        by=SETUP, deployment=row, spec=replace(spec_of(row), base_url="https://other.example/v1")
    )
    assert decrypt(row.credential) == ""
    assert row.credential_source == ""


def test_a_credential_stays_when_only_the_path_changes() -> None:
    row = cloud()
    change_deployment(
        by=SETUP, deployment=row, spec=replace(spec_of(row), base_url="https://vendor.example/v2")
    )
    assert decrypt(row.credential) == "vendor-secret-1"


def test_a_moved_on_prem_deployment_is_not_cleared_for_more_than_before() -> None:
    row = create_deployment(by=SETUP, spec=local_spec(clearance=INTERNAL))
    change_deployment(
        by=SETUP, deployment=row, spec=replace(spec_of(row), base_url="http://127.0.0.1:9912/v1")
    )
    assert row.clearance() == INTERNAL
    assert not row.enabled


def test_claiming_that_a_cloud_is_on_prem_clears_it_for_nothing_more_and_is_a_widening() -> None:
    row = cloud()
    change_deployment(by=SETUP, deployment=row, spec=replace(spec_of(row), zone=Zone.ON_PREM))
    assert row.clearance() == INTERNAL
    assert not row.enabled
    assert "deployment.clearance_widened" in events()


@pytest.mark.parametrize(
    "change",
    [
        {"clearance": CONFIDENTIAL},
        {"clearance": Clearance(Sensitivity.INTERNAL, None)},
        {"clearance": Clearance(Sensitivity.PUBLIC, frozenset({"code", "legal"}))},
        {"zone": Zone.PRIVATE_CLOUD},
    ],
    ids=str,
)
def test_widening_is_an_event_of_its_own_and_takes_a_second_person_where_asked_for(
    change: dict[str, object],
) -> None:
    row = cloud()
    wider = replace(spec_of(row), **change)  # type: ignore[arg-type]
    admin = person("admin@sluice.example", OrganisationRole.ADMIN)
    other = person("other@sluice.example", OrganisationRole.ADMIN)
    auditor = person("auditor@sluice.example", OrganisationRole.AUDITOR)
    change_organisation(by=SETUP, second_person_for_widening=True)
    before = events()

    for approver in (None, admin, auditor):
        with pytest.raises(SecondPersonNeeded):
            change_deployment(by=admin, deployment=row, spec=wider, approved_by=approver)
    assert events() == before
    assert Deployment.objects.get().clearance() == INTERNAL

    change_deployment(by=admin, deployment=row, spec=wider, approved_by=other)
    event = AuditEvent.objects.get(type="deployment.clearance_widened", seq__gt=len(before))
    assert event.actor == f"user:{admin.pk}"
    assert event.details["approved_by"] == str(other.pk)


def test_narrowing_takes_nobody_else() -> None:
    row = cloud()
    change_organisation(by=SETUP, second_person_for_widening=True)
    change_deployment(
        by=SETUP, deployment=row, spec=replace(spec_of(row), clearance=NOTHING_CLEARED)
    )
    assert row.clearance() == NOTHING_CLEARED
    assert "deployment.clearance_narrowed" in events()


def test_evidence_that_lasts_longer_is_a_widening() -> None:
    short = (Evidence("contract", "DPA 7", date(2027, 1, 1)),)
    row = create_deployment(by=SETUP, spec=cloud_spec(evidence=short))
    change_organisation(by=SETUP, second_person_for_widening=True)
    longer: tuple[Evidence, ...] = (Evidence("contract", "DPA 7", date(2028, 1, 1)),)
    for evidence in (longer, ()):
        with pytest.raises(SecondPersonNeeded):
            change_deployment(
                by=SETUP, deployment=row, spec=replace(spec_of(row), evidence=evidence)
            )


def test_only_admins_touch_deployments() -> None:
    row = cloud()
    _, people = project_with("a", ada=Role.OWNER)
    for act in (
        lambda: create_deployment(by=people["ada"], spec=local_spec()),
        lambda: change_deployment(by=people["ada"], deployment=row, spec=spec_of(row)),
        lambda: set_enabled(by=people["ada"], deployment=row, enabled=False),
        lambda: remove_deployment(by=people["ada"], deployment=row),
        lambda: set_alias(by=people["ada"], name="x", deployments=[row]),
        lambda: stop_egress(by=people["ada"]),
        lambda: resume_egress(by=people["ada"]),
    ):
        with pytest.raises(PermissionDenied):
            act()


def test_a_projects_editor_takes_and_gives_its_grants_and_nobody_elses() -> None:
    row = cloud()
    mine, people = project_with("mine", ada=Role.EDITOR, bob=Role.MEMBER)
    other, _ = project_with("other")
    add_grant(by=people["ada"], project=mine, deployment=row)
    for by, project in ((people["bob"], mine), (people["ada"], other)):
        with pytest.raises(PermissionDenied):
            add_grant(by=by, project=project, deployment=row)
    remove_grant(by=people["ada"], project=mine, deployment=row)
    assert not Grant.objects.exists()


def test_a_proposal_is_not_switched_on_unconfirmed() -> None:
    row = create_deployment(by=SETUP, spec=local_spec(enabled=False))
    Deployment.objects.update(proposed=True)
    with pytest.raises(ValidationError, match="confirm"):
        set_enabled(by=SETUP, deployment=row, enabled=True)


def test_a_deployment_behind_an_alias_is_not_removed() -> None:
    row = cloud()
    set_alias(by=SETUP, name="auto", deployments=[row])
    with pytest.raises(ValidationError, match="auto"):
        remove_deployment(by=SETUP, deployment=row)


def test_the_switch_moves_the_control_version_and_is_recorded_once() -> None:
    assert stop_egress(by=SETUP, reason="drill")
    version = ControlVersion.objects.get().version
    assert not stop_egress(by=SETUP)
    assert ControlVersion.objects.get().version == version
    assert Organisation.load().egress_stopped
    assert resume_egress(by=SETUP)
    assert events() == ["egress.stopped", "egress.resumed"]


def test_a_credential_is_encrypted_and_in_no_event() -> None:
    row = cloud()
    assert "vendor-secret-1" not in row.credential
    assert decrypt(row.credential) == "vendor-secret-1"
    assert "vendor-secret-1" not in "".join(AuditEvent.objects.values_list("body", flat=True))


def test_a_credential_under_another_key_says_what_to_do(settings: Settings) -> None:
    row = cloud()
    settings.KEY_ENCRYPTION_KEY = "q" * 43 + "="
    with pytest.raises(CredentialUnreadable, match="SLUICE_KEY_ENCRYPTION_KEY"):
        decrypt(row.credential)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://vendor.example/v1",
        "vendor.example/v1",
        "https://user@vendor.example/v1",
        "https://user:secret@vendor.example/v1",
        "https://vendor.example/v1?key=1",
        "https://vendor.example/v1?",
        "https://vendor.example/v1#part",
        "https://vendor.example/v 1",
        "https://vendor.example/v1\nhost: x",
        "https://vendor.example\\@other.example/v1",
        "https://",
        "https://vendor.example:port/v1",
        "https://[::1/v1",
        "",
    ],
)
def test_this_is_no_address_of_a_deployment(url: str) -> None:
    with pytest.raises(ValidationError):
        clean_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8123/v1",
        "http://localhost:8123/v1",
        "http://LOCALHOST.:8123",
        "http://api.localhost:8123/v1",
        "http://127.0.0.2:8123/v1",
        "http://127.1:8123/v1",
        "http://2130706433:8123/v1",
        "http://0x7f.0.0.1:8123/v1",
        "http://0177.0.0.1:8123/v1",
        "http://0.0.0.0:8123/v1",
        "http://[::1]:8123/v1",
        "http://[::]:8123/v1",
        "http://[::ffff:127.0.0.1]:8123/v1",
        "http://[0:0:0:0:0:0:0:1]:8123/v1",
        "https://sluice.example/v1",
        "https://SLUICE.example:443/v1",
        "https://sluice.example./anything",
    ],
)
def test_a_sluice_that_would_call_itself_is_refused(url: str, settings: Settings) -> None:
    settings.HOST, settings.PORT = "127.0.0.1", 8123
    settings.PUBLIC_URL = "https://sluice.example"
    with pytest.raises(ValidationError, match="Sluice itself"):
        create_deployment(by=SETUP, spec=local_spec(base_url=url))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8124/v1", "http://[::1]:9000", "https://sluice.example:8443/v1"],
)
def test_another_port_of_this_machine_is_another_server(url: str, settings: Settings) -> None:
    settings.HOST, settings.PORT = "127.0.0.1", 8123
    settings.PUBLIC_URL = "https://sluice.example"
    assert clean_base_url(url) == url


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "kimi-k2:cloud", "x:1T-CLOUD"])
def test_a_model_of_ollamas_cloud_is_in_zone_cloud_only(model: str) -> None:
    assert is_ollama_cloud(model)
    with pytest.raises(ValidationError, match="zone can only be cloud"):
        create_deployment(by=SETUP, spec=local_spec(upstream_model=model))
    create_deployment(by=SETUP, spec=cloud_spec(upstream_model=model))


@pytest.mark.parametrize("model", ["llama3.2:3b", "cloud", "cumulus-cloud", "cloud:7b"])
def test_these_are_no_models_of_ollamas_cloud(model: str) -> None:
    assert not is_ollama_cloud(model)


BAD: list[tuple[str, object]] = [
    ("name", "a b"),
    ("upstream_model", " "),
    ("endpoints", frozenset({"chat"})),
    ("endpoints", frozenset()),
    ("modalities", frozenset({"smell"})),
    ("options", {"api_base": "https://elsewhere.example"}),
    ("options", {"allow_private": "maybe"}),
    ("provider", "carrier_pigeon"),
    ("connect_timeout_s", 0),
    ("idle_timeout_s", float("inf")),
    ("first_byte_timeout_s", float("nan")),
]


@pytest.mark.parametrize(("field", "value"), BAD, ids=str)
def test_a_wrong_setting_is_refused_by_its_name(field: str, value: object) -> None:
    spec = replace(cloud_spec(), **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ValidationError) as caught:
        create_deployment(by=SETUP, spec=spec)
    assert field in caught.value.message_dict or "options" in caught.value.message_dict
    assert not Deployment.objects.exists()
