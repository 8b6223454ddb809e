"""Labels only ever rise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.labels import DEFAULT_MINIMUMS, PUBLIC, Label, Sensitivity, Taxonomy

LABELS = st.builds(
    Label,
    st.sampled_from(Sensitivity),
    st.frozensets(st.sampled_from([*DEFAULT_MINIMUMS, "unheard_of"])),
)
JOIN = Taxonomy().join
quick = settings(max_examples=60, derandomize=True, database=None, deadline=None)


@quick
@given(st.lists(LABELS, max_size=4))
def test_a_join_dominates_each_of_its_parts_and_every_minimum(labels: list[Label]) -> None:
    joined = JOIN(labels)
    for label in labels:
        assert joined.sensitivity >= label.sensitivity
        assert joined.categories >= label.categories
    for category in joined.categories:
        assert joined.sensitivity >= DEFAULT_MINIMUMS.get(category, Sensitivity.RESTRICTED)
    assert joined.categories == frozenset().union(*(label.categories for label in labels))


@quick
@given(LABELS, LABELS, LABELS)
def test_joining_is_the_same_in_any_order_and_grouping(a: Label, b: Label, c: Label) -> None:
    assert JOIN([a, b, c]) == JOIN([c, a, b]) == JOIN([a, JOIN([b, c])])
    assert JOIN([JOIN([a]), a]) == JOIN([a])


def test_joining_nothing_is_public() -> None:
    assert JOIN([]) == PUBLIC


def test_a_minimum_may_be_raised_but_not_lowered() -> None:
    raised = Taxonomy().raised({"code": Sensitivity.RESTRICTED, "own": Sensitivity.PUBLIC})
    assert raised.join([Label(categories=frozenset({"code"}))]).sensitivity is (
        Sensitivity.RESTRICTED
    )
    assert raised.worst.categories >= {"own"}
    with pytest.raises(ValueError, match="would lower"):
        raised.raised({"code": Sensitivity.CONFIDENTIAL})


def test_a_sensitivity_reads_its_word_in_any_case() -> None:
    assert Sensitivity.from_word(" Restricted ") is Sensitivity.RESTRICTED
    with pytest.raises(ValueError, match="use one of public, internal"):
        Sensitivity.from_word("secret")
