"""What is wrong with a file is said with its line, its column and what to do."""

import textwrap
from pathlib import Path

import pytest

from gateway.accounts.models import Project
from gateway.audit.models import AuditEvent
from gateway.deployments.models import Deployment
from gateway.deployments.services import create_deployment
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    apply,
)
from tests.support.world import SETUP, cloud_spec

pytestmark = pytest.mark.django_db

CASES: dict[str, tuple[str, tuple[int, int], str]] = {
    "an unknown section": (
        "organisation: {name: A}\nprojets: []\n",
        (2, 1),
        "Did you mean 'projects'?",
    ),
    "an unknown field, with the nearest known one": (
        "projects:\n  - slug: a\n    flor: internal\n",
        (3, 5),
        "Did you mean 'floor'?",
    ),
    "a key that stands twice": (
        "projects:\n  - slug: a\n    name: A\n    name: B\n",
        (4, 5),
        "after line 3",
    ),
    "a limit of nothing": (
        "projects:\n  - slug: a\n    limits: {batch_rows: 0}\n",
        (3, 14),
        "Use 1 or more.",
    ),
    "a limit beyond a century": (
        "projects:\n  - slug: a\n    limits: {retention_days: 36501}\n",
        (3, 14),
        "Use 36500 or less.",
    ),
    "an alias without a deployment": (
        "aliases:\n  - name: auto\n",
        (2, 5),
        "has no deployment",
    ),
    "an alias with an empty list": (
        "aliases:\n  - name: auto\n    deployments: []\n",
        (3, 5),
        "has no deployment",
    ),
    "an alias to what does not exist": (
        "aliases:\n  - name: auto\n    deployments: [lama]\n",
        (3, 19),
        "There is no deployment 'lama'.",
    ),
    "a rule naming a deployment that does not exist": (
        """\
        projects:
          - slug: a
            policy:
              kind: project-policy
              rules:
                - id: first
                  then: {prefer: [claud]}
        """,
        (7, 27),
        "Did you mean 'claude'?",
    ),
    "a rule naming a deployment that the project is not granted": (
        """\
        projects:
          - slug: a
            policy:
              kind: project-policy
              rules:
                - id: first
                  then: {prefer: [claude]}
        """,
        (7, 27),
        "Add it to the project's grants",
    ),
    "a rule naming a data class that does not exist": (
        """\
        projects:
          - slug: a
            policy:
              kind: project-policy
              rules:
                - id: first
                  when: {data_class: EMAIL_ADRESS}
                  then: {deny: true}
        """,
        (7, 18),
        "Did you mean 'EMAIL_ADDRESS'?",
    ),
    "a grant of what does not exist": (
        "projects:\n  - slug: a\n    grants: [claude, gpt]\n",
        (3, 22),
        "There is no deployment 'gpt'.",
    ),
    "a name declared twice": (
        "projects:\n  - slug: a\n  - slug: a\n",
        (3, 5),
        "a second time",
    ),
    "a wrong type": (
        "organisation:\n  egress_stopped: 'yes'\n",
        (2, 3),
        "true or false",
    ),
    "a section that is no list": ("projects: {slug: a}\n", (1, 1), "Write a list"),
    "a sensitivity that does not exist": (
        "projects:\n  - slug: a\n    floor: intern\n",
        (3, 5),
        "Did you mean 'internal'?",
    ),
    "a role that does not exist": (
        "projects:\n  - slug: a\n    members:\n      - {email: a@b.example, role: admin}\n",
        (4, 30),
        "There is no role 'admin'.",
    ),
    "something that is no e-mail address": (
        "groups:\n  - name: legal\n    members: [ada]\n",
        (3, 15),
        "no e-mail address",
    ),
    "a zone that does not exist": (
        """\
        deployments:
          - name: x
            base_url: http://10.0.0.1/v1
            model: m
            zone: onprem
        """,
        (5, 5),
        "Did you mean 'on_prem'?",
    ),
    "a secret in the address": (
        """\
        deployments:
          - name: x
            base_url: https://user:pass@vendor.example/v1
            model: m
            zone: cloud
        """,
        (3, 5),
        "a secret belongs into the credential",
    ),
    "a variable that is not set": (
        """\
        deployments:
          - name: x
            base_url: https://vendor.example/v1
            model: m
            zone: cloud
            credential_env: NOT_SET_ANYWHERE
        """,
        (6, 5),
        "not set",
    ),
    "a variable of Sluice's own": (
        """\
        deployments:
          - name: x
            base_url: https://vendor.example/v1
            model: m
            zone: cloud
            credential_env: SLUICE_SECRET_KEY
        """,
        (6, 5),
        "Sluice's own",
    ),
    "a category that no policy has": (
        """\
        deployments:
          - name: x
            base_url: https://vendor.example/v1
            model: m
            zone: cloud
            clearance: {sensitivity: internal, categories: [cod]}
        """,
        (6, 53),
        "Did you mean 'code'?",
    ),
    "a model of Ollama's cloud that claims to be on_prem": (
        """\
        deployments:
          - name: x
            base_url: http://127.0.0.1:11434/v1
            model: gpt-oss:120b-cloud
            zone: on_prem
        """,
        (4, 5),
        "can only be cloud",
    ),
    "a policy that lowers a category": (
        """\
        organisation:
          policy:
            kind: organisation-policy
            categories: {health: internal}
        """,
        (4, 18),
        "may only raise",
    ),
    "a policy of the other kind": (
        "organisation:\n  policy: {kind: project-policy, project: a}\n",
        (2, 12),
        "organisation-policy",
    ),
    "a word list of a category that does not exist": (
        "projects:\n  - slug: a\n    word_lists:\n      x: {category: lega, words: [y]}\n",
        (4, 11),
        "Did you mean 'legal'?",
    ),
    "something that is not YAML": ("projects: [\n  {slug: a\n", (3, 1), ""),
    "a tab": ("projects:\n\t- slug: a\n", (2, 1), "Use spaces."),
    "a line that is indented too far": (
        "deployments:\n  - name: a\n     zone: on_prem\n",
        (3, 10),
        "Look at the indentation",
    ),
    "a date of another country": (
        """
        deployments:
          - name: a
            base_url: http://127.0.0.1:9/v1
            model: m
            zone: on_prem
            evidence: [{kind: contract, reference: R, valid_until: 31.01.2028}]
        """,
        (7, 47),
        "Use the form 2028-01-31.",
    ),
    "a tag": ("organisation: {name: !!python/name:os.system x}\n", (1, 22), "tags"),
    "a file that is a list": ("- slug: a\n", (1, 1), "a list"),
}


def problems(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        apply(ConfigFile(textwrap.dedent(text)), authority=Authority(SETUP), yes_widen=True)
    return caught.value


@pytest.mark.parametrize("case", CASES)
def test_the_line_and_the_remedy_are_named_for(case: str) -> None:
    create_deployment(by=SETUP, spec=cloud_spec())
    text, (line, column), advice = CASES[case]
    error = problems(text)
    assert [(found.line, found.column) for found in error.problems] == [(line, column)], error
    assert f"sluice.yaml:{line}:{column}: " in str(error)
    assert advice in str(error)


def test_every_problem_is_reported_at_once() -> None:
    error = problems("projetcs: []\naliases:\n  - name: auto\ngroups: {}\n")
    assert [found.line for found in error.problems] == [1, 3, 4]


def test_a_wrong_file_changes_nothing() -> None:
    before = AuditEvent.objects.count()
    problems("projects:\n  - slug: good\n  - slug: bad\n    floor: x\n")
    assert not Project.objects.exists()
    assert AuditEvent.objects.count() == before


def test_the_word_of_a_list_is_not_repeated_in_a_problem() -> None:
    error = problems(
        "projects:\n  - slug: a\n    word_lists:\n"
        "      x: {category: legal, words: [Bluebird, [1]]}\n"
    )
    assert "Bluebird" not in str(error)


def test_references_that_blow_up_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in str(problems("\n".join(lines)))


def test_deep_nesting_is_refused() -> None:
    assert "too" in str(problems("organisation: " + "[" * 1500))


def test_words_that_yaml_once_took_for_booleans_and_times_are_text() -> None:
    apply(
        ConfigFile("projects:\n  - {slug: a, name: no}\n  - {slug: b, name: 18:30}\n"),
        authority=Authority(SETUP),
    )
    assert dict(Project.objects.values_list("slug", "name")) == {"a": "no", "b": "18:30"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml:1:1: The file cannot be read"):
        ConfigFile.read(tmp_path / "nothing.yaml")


def test_nothing_of_the_file_may_set_the_mark_of_the_demo_models() -> None:
    error = problems(
        """\
        deployments:
          - name: x
            base_url: http://127.0.0.1:9/v1
            model: m
            zone: cloud
            builtin: true
        """
    )
    assert "There is no field 'builtin'" in str(error)
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("secret", ["sk-ant-abc123", "hf_AbC123", "AKIAIOSFODNN7EXAMPLE"])
def test_a_credential_written_where_its_variable_belongs_is_not_said_again(secret: str) -> None:
    error = problems(
        f"""\
        deployments:
          - name: x
            base_url: https://vendor.example/v1
            model: m
            zone: cloud
            credential_env: {secret}
        """
    )
    assert ":6:5:" in str(error)
    assert secret not in str(error)
