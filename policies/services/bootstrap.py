"""The first start: an admin, a project to try things in, and the two demo models.

INVARIANT: only rows that this module made carry `builtin`, and only to a loopback address are they
ever moved. Everything else that moves loses its clearance.
"""

import secrets
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.accounts.acting import System
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Organisation, Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import (
    add_member,
    create_api_key,
    create_project,
    create_service_account,
    create_user,
)
from gateway.audit.event_types import EventType
from gateway.deployments.models import Deployment
from gateway.deployments.services import add_grant, create_deployment, set_alias
from gateway.deployments.spec import DeploymentSpec
from policies.engine.facts import Clearance, Endpoint, Zone
from policies.engine.labels import Sensitivity
from policies.services.publishing import publish

BOOTSTRAP = System("bootstrap")
ADMIN_EMAIL = "admin@localhost"
PROJECT = "demo"
ONPREM = "demo-onprem"
CLOUD = "demo-cloud"
# What the demo models are cleared for; nothing of the category code is found in a plain prompt.
CLOUD_CLEARANCE = Clearance(Sensitivity.INTERNAL, frozenset({"code"}))
# What a newcomer can watch at once: an e-mail address becomes a placeholder for the vendor.
POLICY = {
    "kind": "project-policy",
    "project": PROJECT,
    "rules": [
        {
            "id": "mails-masked",
            "when": {"category": "personal"},
            "then": {"mask": ["EMAIL_ADDRESS"], "for": {"deployment": CLOUD}},
        }
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRun:
    """What the first start made. Password and key exist nowhere else in clear text."""

    admin_email: str
    admin_password: str = field(repr=False)
    project: str
    api_key: str = field(repr=False)


class NotOurDemo(ValueError):
    """The address given for a demo model is not on the loopback."""


@changing()
def first_run(*, demo_onprem_url: str = "", demo_cloud_url: str = "") -> FirstRun | None:
    """Set an empty installation up; None (and nothing changed) when anybody has an account.

    Without the URLs there is a project and a key, but no demo models. Raises NotOurDemo.
    """
    if User.objects.exists():
        return None
    Organisation.load()
    password = secrets.token_urlsafe(15)
    admin = create_user(
        by=BOOTSTRAP,
        email=ADMIN_EMAIL,
        name="Admin",
        password=password,
        role=OrganisationRole.ADMIN,
    )
    project = create_project(by=BOOTSTRAP, slug=PROJECT, name="Demo")
    add_member(by=BOOTSTRAP, project=project, user=admin, role=Role.OWNER)
    account = create_service_account(by=BOOTSTRAP, project=project, name="first-run")
    made = create_api_key(by=BOOTSTRAP, project=project, name="first-run", owner=account)
    if demo_onprem_url and demo_cloud_url:
        _make_demo_models(project, demo_onprem_url, demo_cloud_url)
        publish(by=BOOTSTRAP, document=POLICY, project=project, reason="the first start")
    return FirstRun(
        admin_email=admin.email,
        admin_password=password,
        project=project.slug,
        api_key=made.text,
    )


def _make_demo_models(project: Project, onprem_url: str, cloud_url: str) -> None:
    onprem = _make_demo(
        DeploymentSpec(
            name=ONPREM,
            base_url=_loopback(onprem_url),
            upstream_model=ONPREM,
            zone=Zone.ON_PREM,
            endpoints=frozenset(endpoint.value for endpoint in Endpoint),
            modalities=frozenset({"text", "image"}),
            enabled=True,
        )
    )
    cloud = _make_demo(
        DeploymentSpec(
            name=CLOUD,
            base_url=_loopback(cloud_url),
            upstream_model=CLOUD,
            zone=Zone.CLOUD,
            clearance=CLOUD_CLEARANCE,
            vendor="demo",
            endpoints=frozenset(endpoint.value for endpoint in Endpoint),
            modalities=frozenset({"text", "image"}),
            # The demo vendor plays a cloud and lives on this machine.
            options={"allow_private": "yes"},
            enabled=True,
        )
    )
    for deployment in (onprem, cloud):
        add_grant(by=BOOTSTRAP, project=project, deployment=deployment)
    # The order matters to a newcomer: a clean prompt goes to the "cloud" at once.
    set_alias(by=BOOTSTRAP, name="auto", deployments=[cloud, onprem])
    set_alias(by=BOOTSTRAP, name=ONPREM, deployments=[onprem])
    set_alias(by=BOOTSTRAP, name=CLOUD, deployments=[cloud])


def _make_demo(spec: DeploymentSpec) -> Deployment:
    row = create_deployment(by=BOOTSTRAP, spec=spec)
    Deployment.objects.filter(pk=row.pk).update(builtin=True)
    row.refresh_from_db()
    return row


@changing()
def update_demo_urls(*, demo_onprem_url: str, demo_cloud_url: str) -> None:
    """Point the demo models at the ports they got this time; their clearance stays.

    Only rows that this module made and that nobody moved since. Raises NotOurDemo for an address
    that is not on the loopback.
    """
    for name, url in ((ONPREM, demo_onprem_url), (CLOUD, demo_cloud_url)):
        address = _loopback(url)
        rows = Deployment.objects.filter(name=name, builtin=True).exclude(base_url=address)
        row = rows.first()
        if row is None:
            continue
        row.base_url = address
        row.save(update_fields=["base_url"])
        record_change(
            BOOTSTRAP,
            EventType.DEPLOYMENT_CHANGED,
            "deployment",
            row.pk,
            name=name,
            fields=["base_url"],
        )


def _loopback(url: str) -> str:
    """The URL, if it is plain http to a literal loopback address: names can be made to lie."""
    try:
        parts = urlsplit(url)
        ours = parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        ours = False
    if not ours:
        raise NotOurDemo("a demo model's address must be http:// on 127.0.0.1 or [::1]")
    return url.rstrip("/")
