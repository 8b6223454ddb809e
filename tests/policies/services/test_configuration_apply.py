"""One file for the control plane: what applying it does, and what it refuses to do silently."""

import textwrap
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from gateway.accounts.models import ControlVersion, Group, Organisation, Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import change_organisation, change_project
from gateway.audit.models import AuditEvent
from gateway.deployments.credentials import decrypt
from gateway.deployments.models import Deployment, Grant
from gateway.deployments.services import (
    SecondPersonNeeded,
    change_deployment,
    create_deployment,
    stop_egress,
)
from policies.engine.facts import Clearance
from policies.engine.labels import Label, Sensitivity
from policies.models import PolicyRevision
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    Plan,
    WideningRefused,
    apply,
    apply_at_start,
    diff,
    export,
)
from tests.support.world import SETUP, cloud_spec, local_spec, make_world, person

pytestmark = pytest.mark.django_db

WHOLE = """\
organisation:
  name: Hospital
  second_person_for_widening: false
  policy:
    kind: organisation-policy
    rules:
      - id: health-stays
        when: {category: health}
        then: {allow_only: {zone: on_prem}}
groups:
  - name: doctors
    members: [Ada@Hospital.example]
deployments:
  - name: llama
    base_url: http://127.0.0.1:9911/v1
    model: llama-3
    zone: on_prem
    endpoints: [chat.completions, completions]
  - name: claude
    provider: litellm_cloud
    base_url: https://api.vendor.example
    model: big-1
    zone: cloud
    clearance: {sensitivity: internal, categories: [code]}
    credential_env: VENDOR_TEST_KEY
    vendor: Vendor
    region: eu
    retention_days: 0
    trains_on_data: false
    evidence:
      - {kind: contract, reference: DPA 7, valid_until: 2030-01-31}
    options: {litellm_provider: anthropic, drop_params: true}
    timeouts: {connect_s: 2, idle_s: 30}
aliases:
  - {name: llama, deployments: [llama]}
  - {name: auto, deployments: [claude, llama]}
projects:
  - slug: research
    name: Research
    floor: {sensitivity: internal, categories: [code]}
    members:
      - {email: ada@hospital.example, role: owner}
      - {email: bob@hospital.example}
    word_lists:
      codenames: {category: legal, words: [Bluebird, Kingfisher]}
    grants: [llama, claude]
    policy:
      kind: project-policy
      rules:
        - id: doctors-first
          when: {group: doctors, data_class: CODENAMES}
          then: {prefer: [llama]}
"""


@pytest.fixture(autouse=True)
def vendor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_TEST_KEY", "vendor-secret-1")


def file(text: str) -> ConfigFile:
    return ConfigFile(textwrap.dedent(text))


def applied(text: str, *, yes_widen: bool = True, prune: bool = False) -> Plan:
    return apply(file(text), authority=Authority(SETUP), yes_widen=yes_widen, prune=prune)


def test_a_whole_file_makes_everything_that_it_says() -> None:
    applied(WHOLE)
    assert Organisation.load().name == "Hospital"
    assert list(Group.objects.get().members.values_list("email", flat=True)) == [
        "ada@hospital.example"
    ]
    project = Project.objects.get()
    assert project.floor_categories == ["code"]
    assert dict(project.memberships.values_list("user__email", "role")) == {
        "ada@hospital.example": Role.OWNER,
        "bob@hospital.example": Role.MEMBER,
    }
    claude = Deployment.objects.get(name="claude")
    assert claude.clearance() == Clearance(Sensitivity.INTERNAL, frozenset({"code"}))
    assert decrypt(claude.credential) == "vendor-secret-1"
    assert claude.options == {"litellm_provider": "anthropic", "drop_params": "yes"}
    assert claude.idle_timeout_s == 30
    assert claude.enabled
    assert not claude.builtin
    assert Grant.objects.count() == 2
    assert PolicyRevision.objects.count() == 2
    assert not User.objects.get(email="ada@hospital.example").has_usable_password()


def test_applying_a_file_twice_changes_nothing_the_second_time() -> None:
    applied(WHOLE)
    version = ControlVersion.objects.get().version
    assert applied(WHOLE, yes_widen=False).steps == ()
    assert ControlVersion.objects.get().version == version


def test_applying_an_export_is_an_empty_diff_and_the_export_of_it_is_the_same() -> None:
    applied(WHOLE)
    text = export()
    assert diff(file(text), prune=True).as_text() == ""
    applied(text, prune=True)
    assert export() == text


def test_an_export_builds_the_same_installation_from_nothing() -> None:
    applied(WHOLE)
    text = export()
    # What a file does not hold stays; what it holds is taken away first.
    applied(
        "organisation: {policy: {kind: organisation-policy}}\n"
        "aliases: []\ndeployments: []\ngroups: []\nprojects: []\n",
        prune=True,
    )
    assert not Deployment.objects.exists()
    assert not Project.objects.filter(archived=False).exists()
    applied(text)
    assert export() == text


def test_the_export_of_a_world_made_by_services_is_applied_without_a_change() -> None:
    world = make_world()
    change_deployment(
        by=SETUP, deployment=world.local, spec=local_spec(region="eu", retention_days=30)
    )
    assert diff(file(export()), prune=True).as_text() == ""


def test_no_secret_and_no_key_is_in_an_export() -> None:
    applied(WHOLE)
    text = export()
    assert "vendor-secret-1" not in text
    assert Deployment.objects.get(name="claude").credential not in text
    assert "credential_env: VENDOR_TEST_KEY" in text


def test_the_diff_names_what_changes_and_never_a_word_of_a_list_or_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    applied(WHOLE)
    monkeypatch.setenv("VENDOR_TEST_KEY", "vendor-secret-2")
    text = diff(file(WHOLE.replace("Kingfisher", "Heron").replace("big-1", "big-2"))).as_text()
    assert "~ deployment claude" in text
    assert "upstream_model: big-1 -> big-2" in text
    assert "credential: from env:VENDOR_TEST_KEY" in text
    assert "1 words added, 1 removed" in text
    for hidden in ("Heron", "Kingfisher", "vendor-secret-2", "vendor-secret-1"):
        assert hidden not in text


WIDENINGS = {
    "a new cloud deployment with a clearance": (
        "",
        "deployments:\n  - {name: x, base_url: 'https://v.example', model: m, zone: cloud,"
        " clearance: {sensitivity: internal}}\n",
        "is cleared for internal",
    ),
    "a higher clearance": (
        "{sensitivity: internal, categories: [code]}\n    cred",
        "{sensitivity: confidential, categories: [code]}\n    cred",
        "cleared for confidential, code",
    ),
    "another category": ("categories: [code]}\n    cred", "categories: all}\n    cred", "all cat"),
    "another address": ("api.vendor.example", "api.other.example", "goes elsewhere"),
    "later evidence": ("2030-01-31", "2031-01-31", "evidence lasts longer"),
    "a lower floor": (
        "floor: {sensitivity: internal, categories: [code]}",
        "floor: internal",
        "floor is lowered",
    ),
    "a rule that goes": (
        "    rules:\n      - id: health-stays\n        when: {category: health}\n"
        "        then: {allow_only: {zone: on_prem}}\n",
        "    rules: []\n",
        "rule health-stays is removed",
    ),
    "a rule that changes": ("{zone: on_prem}}", "{zone: [on_prem, cloud]}}", "is changed"),
    "a word less": ("[Bluebird, Kingfisher]", "[Bluebird]", "found no more"),
    "an alias that leads off": (
        "{name: llama, deployments: [llama]}",
        "{name: llama, deployments: [llama, claude]}",
        "may lead to claude",
    ),
}


@pytest.mark.parametrize("case", WIDENINGS)
def test_what_widens_needs_a_yes_and_says_how(case: str) -> None:
    applied(WHOLE)
    old, new, reason = WIDENINGS[case]
    text = WHOLE.replace(old, new, 1) if old else new
    assert text != WHOLE
    before = export()
    with pytest.raises(WideningRefused, match=reason):
        applied(text, yes_widen=False)
    assert export() == before
    applied(text, yes_widen=True)


NARROWINGS = {
    "a lower clearance": (
        "{sensitivity: internal, categories: [code]}\n    cred",
        "{sensitivity: public, categories: []}\n    cred",
    ),
    "switching off": ("    timeouts:", "    enabled: false\n    timeouts:"),
    "a higher floor": ("floor: {sensitivity: internal", "floor: {sensitivity: confidential"),
    "one more rule": (
        "      - id: health-stays",
        "      - {id: legal-stays, when: {category: legal}, then: {deny: true}}\n"
        "      - id: health-stays",
    ),
    "one more word": ("[Bluebird, Kingfisher]", "[Bluebird, Kingfisher, Heron]"),
    "another model": ("big-1", "big-2"),
}


@pytest.mark.parametrize("case", NARROWINGS)
def test_what_does_not_widen_needs_no_yes(case: str) -> None:
    applied(WHOLE)
    old, new = NARROWINGS[case]
    assert old in WHOLE
    assert applied(WHOLE.replace(old, new, 1), yes_widen=False).steps


def test_a_project_that_is_lacking_stays_with_a_note_and_goes_with_prune() -> None:
    applied(WHOLE)
    plan = diff(file("projects: []\n"))
    assert plan.steps == ()
    assert plan.notes == ("project research is not in the file and stays (--prune)",)
    applied("projects: []\n", prune=True)
    assert Project.objects.get().archived


def test_a_section_that_is_lacking_is_not_pruned() -> None:
    applied(WHOLE)
    applied("projects: []\n", prune=True)
    assert Deployment.objects.count() == 2


def test_prune_refuses_to_remove_what_a_remaining_policy_names() -> None:
    applied(WHOLE)
    with pytest.raises(ConfigurationError, match="project research would not hold any more"):
        applied("aliases: []\ndeployments: []\n", prune=True)
    assert Deployment.objects.count() == 2


def test_an_archived_project_comes_back_only_with_a_yes() -> None:
    applied(WHOLE)
    change_project(by=SETUP, project=Project.objects.get(), archived=True)
    with pytest.raises(WideningRefused, match="in use again"):
        applied(WHOLE, yes_widen=False)


def test_a_proposal_is_confirmed_by_naming_it_with_a_yes() -> None:
    create_deployment(by=SETUP, spec=local_spec(enabled=False))
    Deployment.objects.update(proposed=True)
    text = (
        "deployments:\n  - {name: llama, base_url: 'http://127.0.0.1:9911/v1',"
        " model: llama-3, zone: on_prem}\n"
    )
    with pytest.raises(WideningRefused, match="switched on"):
        applied(text, yes_widen=False)
    applied(text)
    row = Deployment.objects.get()
    assert row.enabled
    assert not row.proposed


class TestASecondPerson:
    @pytest.fixture(autouse=True)
    def asked_for(self) -> None:
        change_organisation(by=SETUP, second_person_for_widening=True)

    def test_must_agree_to_what_widens(self) -> None:
        admin = person("admin@hospital.example", OrganisationRole.ADMIN)
        other = person("other@hospital.example", OrganisationRole.APPROVER)
        nobody = person("nobody@hospital.example")
        for approver in (None, admin, nobody):
            with pytest.raises(SecondPersonNeeded):
                apply(file(WHOLE), authority=Authority(admin, approver), yes_widen=True)
        assert not Deployment.objects.exists()
        apply(file(WHOLE), authority=Authority(admin, other), yes_widen=True)
        event = AuditEvent.objects.get(type="deployment.clearance_widened")
        assert event.details["approved_by"] == str(other.pk)

    def test_is_asked_even_by_a_file_that_no_longer_wants_one(self) -> None:
        with pytest.raises(SecondPersonNeeded):
            applied("organisation: {second_person_for_widening: false}\n")
        assert Organisation.load().second_person_for_widening


class TestAtTheStart:
    def at_start(self, text: str) -> Plan | None:
        return apply_at_start(file(text), authority=Authority(SETUP))

    def test_a_new_file_is_applied_and_may_widen(self) -> None:
        assert self.at_start(WHOLE) is not None
        assert Deployment.objects.filter(name="claude", enabled=True).exists()

    def test_a_restart_does_not_undo_what_was_narrowed_since(self) -> None:
        self.at_start(WHOLE)
        change_deployment(
            by=SETUP,
            deployment=Deployment.objects.get(name="llama"),
            spec=local_spec(clearance=Clearance(Sensitivity.PUBLIC, frozenset()), enabled=False),
        )
        assert self.at_start(WHOLE) is None
        assert not Deployment.objects.get(name="llama").enabled

    def test_no_file_resumes_what_was_stopped(self) -> None:
        stop_egress(by=SETUP)
        plan = self.at_start("organisation: {egress_stopped: false, name: X}\n")
        assert plan is not None
        assert "egress stays stopped" in plan.as_text()
        assert Organisation.load().egress_stopped
        assert Organisation.load().name == "X"

    def test_a_wrong_file_stops_the_start_with_its_line(self, tmp_path: Path) -> None:
        path = tmp_path / "sluice.yaml"
        path.write_text("aliases:\n  - name: auto\n")
        with pytest.raises(CommandError, match=r"sluice\.yaml:2:5: The alias has no deployment"):
            call_command("config", "apply", str(path), "--at-start")


def test_applying_is_recorded_with_what_it_did_and_by_whom() -> None:
    applied(WHOLE)
    event = AuditEvent.objects.get(type="config.applied")
    assert event.actor == "system:test"
    assert "deployment claude" in event.details["created"]
    assert "Bluebird" not in "".join(AuditEvent.objects.values_list("body", flat=True))


def test_a_credential_from_a_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "vendor.key").write_text("from-a-file\n")
    path = tmp_path / "sluice.yaml"
    path.write_text(WHOLE.replace("credential_env: VENDOR_TEST_KEY", "credential_file: vendor.key"))
    apply(ConfigFile.read(path), authority=Authority(SETUP), yes_widen=True)
    assert decrypt(Deployment.objects.get(name="claude").credential) == "from-a-file"
    assert diff(ConfigFile(export(), folder=tmp_path)).as_text() == ""


def test_a_deployment_that_the_file_does_not_give_a_credential_keeps_its_own() -> None:
    create_deployment(by=SETUP, spec=cloud_spec(), credential="typed-in")
    assert diff(file(export())).as_text() == ""
    applied(export().replace("big-1", "big-2"))
    assert decrypt(Deployment.objects.get().credential) == "typed-in"


def test_the_floor_that_the_file_leaves_out_is_internal() -> None:
    applied("projects: [{slug: a}]\n")
    project = Project.objects.get()
    assert Label(Sensitivity.from_word(project.floor_sensitivity)) == Label(Sensitivity.INTERNAL)
