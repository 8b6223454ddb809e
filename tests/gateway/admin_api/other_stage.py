"""What the routes beside the policies' name: keys, invitations, tables, budgets, usage, a widening
deployment that waits; one of each in both projects."""

from datetime import date
from decimal import Decimal
from pathlib import Path

from django.test import Client
from pytest_django import Settings

from gateway.accounts.models import Organisation, Project, User
from gateway.accounts.services import create_api_key, invite
from gateway.batches.sheets.models import Sheet
from gateway.deployments.models import WaitingChange
from gateway.deployments.services.waiting import change_or_ask
from gateway.inference.limits import Period, Scope
from gateway.usage.models import UsageDay, UsageRecord
from gateway.usage.services.budgets import BudgetSpec, set_budget
from policies.engine.facts import Clearance
from policies.engine.labels import Sensitivity
from tests.gateway.admin_api.policy_stage import Stage
from tests.support.world import SETUP, World, cloud_spec

TABLE = b"id,text\n1,hello\n"
WIDE = Clearance(Sensitivity.CONFIDENTIAL, frozenset({"code", "personal"}))


def keep_files_in(settings: Settings, directory: Path) -> None:
    settings.INCOMING_DIR = directory / "incoming"
    settings.STORAGES = settings.STORAGES | {
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": directory / "files"},
        }
    }


def furnish_more(stage: Stage) -> None:
    """Adds to the fields of both projects. The files' places must be set."""
    world = stage.world
    _a_change_waits(world)
    change = str(WaitingChange.objects.get(deployment=world.cloud).pk)
    foreign = Project.objects.get(slug="other")
    olga = User.objects.get(email="olga@other.example")
    for project, user, fields in (
        (world.project, world.member, stage.own),
        (foreign, olga, stage.foreign),
    ):
        fields.update(_furnish(project, user), change=change)


def _furnish(project: Project, user: User) -> dict[str, str]:
    key = create_api_key(by=SETUP, project=project, name="k", owner=user)
    invitation = invite(by=SETUP, email=f"new@{project.slug}.example", project=project).invitation
    spec = BudgetSpec(name="each", amount_usd=Decimal(2), period=Period.TOTAL, scope=Scope.MEMBER)
    set_budget(by=SETUP, project=project, spec=spec)
    return {
        "key": key.key.prefix,
        "invitation": str(invitation.pk),
        "budget": "each",
        "member": user.email,
        "sheet": _sheet(project, user),
        "used": _usage(project, user),
    }


def _sheet(project: Project, user: User) -> str:
    client = Client()
    client.force_login(user)
    place = f"/api/projects/{project.slug}/sheets?name=a.csv"
    made = client.post(place, TABLE, content_type="text/csv")
    return Sheet.objects.get(pk=made.json()["id"]).pk


def _usage(project: Project, user: User) -> str:
    common = {
        "project": project.slug,
        "person": f"user:{user.pk}",
        "key_prefix": "",
        "channel": "api",
        "alias": "auto",
        "deployment": "claude",
        "zone": "cloud",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 0,
        "cost_nano": 1_000_000_000,
    }
    UsageDay.objects.create(day=date(2026, 3, 1), requests=1, estimated=0, unpriced=0, **common)
    record = UsageRecord.objects.create(
        decision_id=f"dec_used_{project.slug}",
        at="2026-03-01T00:00:00Z",
        endpoint="chat.completions",
        model="m",
        estimated=False,
        **common,
    )
    return record.decision_id


def _a_change_waits(world: World) -> None:
    organisation = Organisation.load()
    organisation.second_person_for_widening = True
    organisation.save()
    change_or_ask(by=world.admin, deployment=world.cloud, spec=cloud_spec(clearance=WIDE))
    organisation.second_person_for_widening = False
    organisation.save()
