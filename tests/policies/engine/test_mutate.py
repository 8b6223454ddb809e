"""Every semantic rule is held by its cases: without it, two of them fail."""

import pytest

from tests.policies.engine.mutate import MUTATIONS, ROOT, Mutation, show

RULES = set(range(1, 12))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_each_mutation_fits_the_source_once(mutation: Mutation) -> None:
    source = (ROOT / mutation.file).read_text(encoding="utf-8")
    assert mutation.applied(source) != source


def test_there_is_a_mutation_for_each_rule() -> None:
    assert {mutation.rule for mutation in MUTATIONS} == RULES


@pytest.mark.slow
def test_at_least_two_cases_of_a_rule_fail_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    unnoticed = show()
    assert unnoticed == 0, capsys.readouterr().out
