"""A small organisation to test with, made through the services that users' changes go through."""

from dataclasses import dataclass

from gateway.accounts.acting import System
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, create_project, create_user
from gateway.deployments.models import Deployment
from gateway.deployments.services import add_grant, create_deployment, set_alias
from gateway.deployments.spec import DeploymentSpec
from policies.engine.facts import Clearance, Zone
from policies.engine.labels import Sensitivity

SETUP = System("test")


def person(
    email: str, role: OrganisationRole = OrganisationRole.NONE, password: str | None = None
) -> User:
    """A person. Without a password: hashing one costs a tenth of a second."""
    return create_user(
        by=SETUP, email=email, name=email.partition("@")[0], password=password, role=role
    )


def project_with(slug: str, **members: Role) -> tuple[Project, dict[str, User]]:
    """A project and its members by name; each gets an account `<name>@<slug>.example`."""
    project = create_project(by=SETUP, slug=slug)
    people = {}
    for name, role in members.items():
        people[name] = person(f"{name}@{slug}.example")
        add_member(by=SETUP, project=project, user=people[name], role=role)
    return project, people


def local_spec(name: str = "llama", **changes: object) -> DeploymentSpec:
    defaults: dict[str, object] = {
        "name": name,
        "base_url": "http://127.0.0.1:9911/v1",
        "upstream_model": "llama-3",
        "zone": Zone.ON_PREM,
        "enabled": True,
    }
    return DeploymentSpec(**(defaults | changes))  # type: ignore[arg-type]


def cloud_spec(name: str = "claude", **changes: object) -> DeploymentSpec:
    defaults: dict[str, object] = {
        "name": name,
        "base_url": "https://vendor.example/v1",
        "upstream_model": "big-1",
        "zone": Zone.CLOUD,
        "clearance": Clearance(Sensitivity.INTERNAL, frozenset({"code"})),
        "enabled": True,
    }
    return DeploymentSpec(**(defaults | changes))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class World:
    """Two deployments, an alias of each and `auto` over both, granted to the project `research`."""

    project: Project
    owner: User
    member: User
    admin: User
    local: Deployment
    cloud: Deployment


def make_world() -> World:
    admin = person("admin@sluice.example", OrganisationRole.ADMIN)
    project, people = project_with("research", owner=Role.OWNER, member=Role.MEMBER)
    local = create_deployment(by=SETUP, spec=local_spec())
    cloud = create_deployment(by=SETUP, spec=cloud_spec(), credential="vendor-secret-1")
    for deployment in (local, cloud):
        add_grant(by=SETUP, project=project, deployment=deployment)
        set_alias(by=SETUP, name=deployment.name, deployments=[deployment])
    set_alias(by=SETUP, name="auto", deployments=[local, cloud])
    return World(
        project=project,
        owner=people["owner"],
        member=people["member"],
        admin=admin,
        local=local,
        cloud=cloud,
    )
