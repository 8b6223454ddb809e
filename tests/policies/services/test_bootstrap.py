"""The first start: what a newcomer finds, and the one exception for the demo models' addresses."""

from dataclasses import replace

import pytest
from django.contrib.auth import authenticate

from gateway.accounts.models import APIKey, ControlVersion, Project, User
from gateway.accounts.services import digest_of
from gateway.deployments.models import Deployment
from gateway.deployments.services import change_deployment
from gateway.deployments.spec import spec_of
from gateway.snapshot.build import Builder
from policies.engine.facts import Clearance
from policies.engine.labels import Sensitivity
from policies.engine.permit import MaskMode
from policies.services.bootstrap import (
    BOOTSTRAP,
    FirstRun,
    NotOurDemo,
    first_run,
    update_demo_urls,
)
from policies.services.configuration import Authority, ConfigFile, apply, export
from tests.support.world import person

pytestmark = pytest.mark.django_db

URLS = {"demo_onprem_url": "http://127.0.0.1:9001/v1", "demo_cloud_url": "http://127.0.0.1:9002/v1"}
NEW = {"demo_onprem_url": "http://127.0.0.1:9101/v1", "demo_cloud_url": "http://127.0.0.1:9102/v1"}
INTERNAL_CODE = Clearance(Sensitivity.INTERNAL, frozenset({"code"}))


@pytest.fixture
def made() -> FirstRun:
    result = first_run(**URLS)
    assert result is not None
    return result


def test_the_first_start_makes_an_admin_a_project_a_key_and_the_demo_models(made: FirstRun) -> None:
    assert authenticate(username=made.admin_email, password=made.admin_password) is not None
    assert User.objects.get().is_admin
    assert APIKey.objects.get().digest == digest_of(made.api_key)
    snapshot = Builder().build()
    (principal,) = snapshot.keys.values()
    view = snapshot.projects[made.project]
    assert principal.project == made.project
    assert list(view.models) == ["auto", "demo-onprem", "demo-cloud"]
    assert view.policy.aliases["auto"] == ("demo-cloud", "demo-onprem")
    assert view.policy.deployments["demo-cloud"].clearance == INTERNAL_CODE
    assert snapshot.destinations["demo-cloud"].options == {"allow_private": "yes"}


def test_the_first_policy_masks_addresses_for_the_demo_vendor_alone(made: FirstRun) -> None:
    (rule,) = Builder().build().projects[made.project].policy.rules
    assert (rule.key, rule.modes) == (
        "project:mails-masked",
        (("EMAIL_ADDRESS", MaskMode.PLACEHOLDER),),
    )
    assert {drop.deployment for drop in rule.drops.values()} == {"demo-cloud"}


def test_it_happens_once(made: FirstRun) -> None:
    version = ControlVersion.objects.get().version
    assert first_run(**URLS) is None
    assert ControlVersion.objects.get().version == version


def test_an_installation_with_people_is_not_touched() -> None:
    person("ada@sluice.example")
    assert first_run(**URLS) is None
    assert not Project.objects.exists()


def test_what_was_made_does_not_show_its_secrets(made: FirstRun) -> None:
    assert made.api_key not in repr(made)
    assert made.admin_password not in repr(made)


def test_without_demo_models_there_is_still_an_admin_and_a_key() -> None:
    assert first_run() is not None
    assert not Deployment.objects.exists()


def test_the_demo_models_move_with_their_ports_and_keep_what_they_are_cleared_for(
    made: FirstRun,
) -> None:
    before = ControlVersion.objects.get().version
    update_demo_urls(**NEW)
    cloud = Deployment.objects.get(name="demo-cloud")
    assert cloud.base_url == NEW["demo_cloud_url"]
    assert cloud.enabled
    assert cloud.clearance() == INTERNAL_CODE
    assert ControlVersion.objects.get().version > before


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/v1",
        "http://localhost:9002/v1",
        "http://10.0.0.1:9002/v1",
        "https://127.0.0.1:9002/v1",
        "http://127.0.0.1.vendor.example/v1",
        "http://0.0.0.0:9002/v1",
    ],
)
def test_the_demo_models_move_to_the_loopback_only(made: FirstRun, url: str) -> None:
    with pytest.raises(NotOurDemo):
        update_demo_urls(demo_onprem_url=URLS["demo_onprem_url"], demo_cloud_url=url)
    assert Deployment.objects.get(name="demo-cloud").base_url == URLS["demo_cloud_url"]


def test_a_demo_model_that_somebody_moved_is_ours_no_more(made: FirstRun) -> None:
    row = Deployment.objects.get(name="demo-cloud")
    change_deployment(
        by=BOOTSTRAP,
        deployment=row,
        spec=replace(spec_of(row), base_url="https://vendor.example/v1"),
    )
    row.refresh_from_db()
    assert not row.builtin
    assert row.clearance() == Clearance(Sensitivity.PUBLIC, frozenset())
    update_demo_urls(**NEW)
    row.refresh_from_db()
    assert row.base_url == "https://vendor.example/v1"


def test_a_deployment_that_only_has_the_name_is_not_moved() -> None:
    apply(
        ConfigFile(
            "deployments: [{name: demo-cloud, base_url: 'https://vendor.example/v1',"
            " model: m, zone: cloud}]\n"
        ),
        authority=Authority(BOOTSTRAP),
        yes_widen=True,
    )
    update_demo_urls(**NEW)
    assert Deployment.objects.get().base_url == "https://vendor.example/v1"


def test_an_export_leaves_the_demo_models_out_and_can_be_applied_after_they_moved(
    made: FirstRun,
) -> None:
    text = export()
    assert "base_url" not in text
    update_demo_urls(**NEW)
    apply(ConfigFile(text), authority=Authority(BOOTSTRAP), prune=True)
    assert Deployment.objects.get(name="demo-cloud").base_url == NEW["demo_cloud_url"]
