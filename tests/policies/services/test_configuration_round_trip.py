"""Whatever the database can hold, an export of it reads back as the same."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from gateway.accounts.limits import NAMES as LIMITS
from gateway.accounts.limits import Limits
from gateway.accounts.roles import Role
from gateway.deployments.models import ENDPOINTS
from gateway.deployments.spec import MODALITIES, DeploymentSpec
from gateway.inference.limits import AtEnd, Period, Rates, Scope
from gateway.usage.prices import PriceTerms
from policies.classification.custom_patterns import CustomRecognizer
from policies.engine.facts import Clearance, Evidence, Zone
from policies.engine.labels import DEFAULT_MINIMUMS, Label, Sensitivity
from policies.services.configuration import Authority, ConfigFile, apply, diff, export
from policies.services.configuration.existing import Existing
from policies.services.configuration.export import as_yaml
from policies.services.configuration.money import BUDGET, PRICE, RATES, BudgetWanted
from policies.services.configuration.read import (
    ORGANISATION,
    PROJECT,
    SECTIONS,
    read_configuration,
)
from policies.services.configuration.read_deployments import FIELDS, TIMEOUTS
from policies.services.configuration.suspensions import FIELDS as EXCEPTION
from policies.services.configuration.suspensions import ExceptionEntry
from policies.services.configuration.wanted import (
    DeploymentWanted,
    OrganisationWanted,
    ProjectWanted,
    Wanted,
    WordListWanted,
)
from tests.support.world import SETUP

DOCS = Path(settings.BASE_DIR) / "docs" / "configuration.md"

slugs = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True)
# Words that YAML has tripped over: booleans, times, numbers, markers, quotes, several scripts.
texts = st.one_of(
    st.sampled_from(["no", "on", "18:30", "2027-01-01", "1e3", "0x1F", "~", "null", "# x", "- a"]),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20),
)
categories = st.frozensets(st.sampled_from(sorted(DEFAULT_MINIMUMS)))
sensitivities = st.sampled_from(Sensitivity)
labels = st.builds(Label, sensitivities, categories)
evidence = st.builds(
    Evidence,
    kind=texts,
    reference=texts,
    valid_until=st.none() | st.dates(date(2020, 1, 1), date(2040, 1, 1)),
)
seconds = st.floats(0.5, 3600, allow_nan=False)
specs = st.builds(
    DeploymentSpec,
    name=slugs,
    base_url=st.sampled_from(["http://10.0.0.5:8000/v1", "https://vendor.example/v1"]),
    upstream_model=st.sampled_from(["m", "org/model:7b", "1", "true"]),
    zone=st.sampled_from(Zone),
    clearance=st.builds(Clearance, sensitivities, st.none() | categories),
    endpoints=st.frozensets(st.sampled_from(ENDPOINTS), min_size=1),
    modalities=st.frozensets(st.sampled_from(MODALITIES), min_size=1),
    vendor=st.just("") | texts,
    region=st.just("") | texts,
    retention_days=st.none() | st.integers(0, 4000),
    trains_on_data=st.none() | st.booleans(),
    evidence=st.lists(evidence, max_size=2).map(tuple),
    options=st.just({}),
    connect_timeout_s=seconds,
    first_byte_timeout_s=seconds,
    idle_timeout_s=seconds,
    enabled=st.booleans(),
)
PLAIN = CustomRecognizer(
    name="ticket",
    category="code",
    patterns=(r"\bTK-\d{5}\b",),
    must_match=("see TK-12345",),
)
OWN = (
    CustomRecognizer(
        name="badge",
        category="personal",
        patterns=(r"\bb\d{7}\b", r"\bc \d{7}\b"),
        context=("badge: no", "Ausweis"),
        checksum="luhn",
        ignore_case=True,
        score=0.5,
        must_match=("badge: no B1234566",),
        must_not_match=("badge: no B1234567", "1"),
    ),
    CustomRecognizer(
        name="matter", category="legal", patterns=(r"\bM\d{6}\b",), must_match=("M123456",)
    ),
)
rule_names = st.sampled_from(["project:code-stays", "organisation:health-stays"])
exception_entries = st.builds(
    ExceptionEntry,
    rules=st.lists(rule_names, min_size=1, unique=True).map(tuple),
    owner=st.just("ada@hospital.example"),
    reason=texts,
    ends_at=st.dates(date(2020, 1, 1), date(2040, 1, 1)).map(
        lambda day: datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    ),
    groups=st.lists(texts, max_size=2).map(tuple),
    aliases=st.lists(texts, max_size=2).map(tuple),
)
counts = st.none() | st.integers(1, 10**6)
rates = st.none() | st.builds(
    Rates, requests_per_minute=counts, tokens_per_minute=counts, concurrency=counts
).filter(lambda found: found != Rates())
dollars = st.decimals(min_value=0, max_value=1000, places=6)
prices = st.none() | st.builds(
    PriceTerms,
    input=dollars,
    output=dollars,
    cached_input=st.none() | dollars,
    gpu_hour=dollars,
    gpus=st.integers(1, 8),
    shared_by=st.integers(1, 64),
)
emails = st.from_regex(r"[a-z]{1,6}@[a-z]{1,6}\.example", fullmatch=True)


def budgets(*scopes: Scope) -> st.SearchStrategy[dict[str, BudgetWanted] | None]:
    """None, or some budgets by name; whom they name is tested elsewhere."""
    one = st.builds(
        BudgetWanted,
        name=slugs,
        amount_usd=st.decimals(min_value="0.000001", max_value=5_000_000, places=6),
        period=st.sampled_from(Period),
        scope=st.sampled_from(scopes),
        hard=st.booleans(),
        at_end=st.sampled_from(AtEnd),
        emails=st.lists(emails, unique=True, max_size=2).map(tuple),
        webhook=st.sampled_from(["", "https://hooks.example/a?b=c"]),
    )
    several = st.lists(one, unique_by=lambda each: each.name, min_size=1, max_size=2)
    return st.none() | several.map(lambda found: {each.name: each for each in found})


@st.composite
def configurations(draw: st.DrawFn) -> Wanted:
    deployments = draw(st.lists(specs, unique_by=lambda spec: spec.name, max_size=3))
    names = [spec.name for spec in deployments]
    name = st.sampled_from(names) if names else st.nothing()
    some = st.lists(name, unique=True).map(tuple)
    targets = st.lists(name, unique=True, min_size=1).map(tuple)
    aliases = st.dictionaries(slugs.map(lambda slug: "a" + slug), targets, max_size=2)
    lists = st.builds(
        WordListWanted,
        category=st.sampled_from(sorted(DEFAULT_MINIMUMS)),
        words=st.lists(texts, unique=True, min_size=1, max_size=4).map(tuple),
    )
    recognizers = st.fixed_dictionaries({}, optional={item.name: st.just(item) for item in OWN})
    project = st.builds(
        ProjectWanted,
        slug=slugs,
        name=texts,
        floor=labels,
        members=st.dictionaries(emails, st.sampled_from(Role), max_size=2),
        word_lists=st.dictionaries(st.sampled_from(["codenames", "clients"]), lists),
        recognizers=recognizers.map(lambda found: found or None),
        grants=some,
        exceptions=st.dictionaries(slugs, exception_entries, max_size=2).map(
            lambda found: found or None
        ),
        limits=st.none()
        | st.builds(
            Limits,
            batch_rows=st.integers(1, 10**15).filter(lambda n: n != Limits().batch_rows),
            retention_days=st.none() | st.integers(1, 36_500),
        ),
        rate_limits=rates,
        budgets=budgets(Scope.PROJECT, Scope.MEMBER, Scope.KEY),
        policy=st.none(),
    )
    return Wanted(
        organisation=OrganisationWanted(
            name=draw(texts),
            egress_stopped=draw(st.booleans()),
            second_person_for_widening=draw(st.booleans()),
            second_person_for_project_policies=draw(st.none() | st.booleans()),
            recognizers={PLAIN.name: PLAIN} if draw(st.booleans()) else None,
            budgets=draw(budgets(Scope.ORGANISATION, Scope.MEMBER)),
        ),
        groups=draw(
            st.dictionaries(slugs, st.lists(emails, unique=True, max_size=2).map(tuple), max_size=2)
        ),
        deployments=tuple(
            DeploymentWanted(spec=spec, price=draw(prices), rate_limits=draw(rates))
            for spec in deployments
        ),
        aliases=draw(aliases) if names else {},
        projects=tuple(draw(st.lists(project, unique_by=lambda item: item.slug, max_size=2))),
        sections=frozenset(SECTIONS),
    )


@effort(max_examples=60, deadline=None)
@given(configurations())
def test_what_is_written_reads_back_as_the_same(wanted: Wanted) -> None:
    read = read_configuration(as_yaml(wanted), file="x", folder=Path(), existing=Existing())
    assert read == wanted


@pytest.mark.django_db
def test_the_documents_example_can_be_applied_as_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "vendor-secret-1")
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    apply(ConfigFile(example), authority=Authority(SETUP), yes_widen=True)
    assert diff(ConfigFile(export()), prune=True).as_text() == ""


def test_every_field_is_documented() -> None:
    text = DOCS.read_text()
    missing = [
        field
        for field in (*SECTIONS, *ORGANISATION, *PROJECT, *FIELDS, *TIMEOUTS, *LIMITS, *EXCEPTION)
        for field in (
            *(*SECTIONS, *ORGANISATION, *PROJECT, *FIELDS, *TIMEOUTS, *LIMITS),
            *(*BUDGET, *RATES, *PRICE),
        )
        if not re.search(rf"[`*]{field}[`*]", text)
    ]
    assert missing == []
