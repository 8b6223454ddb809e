"""The arithmetic of prices: exact, in nano-dollars, and a bound that holds."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.inference.prices import FREE, LongContext, Price, cost_of, nano_of, usd

GPT = Price(
    input=Decimal("2.5"),
    output=Decimal(10),
    cached_input=Decimal("1.25"),
    long_context=LongContext(above=200_000, input=Decimal(5), output=Decimal(15)),
)


def test_a_cost_is_exact_to_the_nano_dollar() -> None:
    assert cost_of(GPT, prompt_tokens=1, completion_tokens=1) == Decimal("0.0000125")
    assert cost_of(GPT, prompt_tokens=1_000_000) == Decimal(5)  # all of it in the dearer class
    assert cost_of(GPT, prompt_tokens=200_000) == Decimal("0.5")


def test_cached_tokens_cost_their_own_price() -> None:
    assert cost_of(GPT, prompt_tokens=100, cached_tokens=40) == Decimal("0.0002")


def test_tokens_written_to_a_cache_may_cost_more() -> None:
    claude = Price(input=Decimal(3), output=Decimal(15), cache_write=Decimal("3.75"))
    assert claude.cost_nano(prompt_tokens=100, cache_write_tokens=100) == 375_000


def test_time_on_a_machine_costs_by_the_hour() -> None:
    ours = Price(per_hour=Decimal("3.6"))
    assert ours.cost_nano(prompt_tokens=5, duration_s=2.0) == 2_000_000


def test_what_has_no_price_is_free_and_says_so() -> None:
    assert FREE.is_free
    assert FREE.bound_nano(prompt_tokens=10**6, completion_tokens=10**6) == 0
    assert not GPT.is_free


@given(st.integers(min_value=0, max_value=10**15))
def test_dollars_and_nano_dollars_are_the_same_amount(nano: int) -> None:
    assert nano_of(usd(nano)) == nano


_TOKENS = st.integers(min_value=0, max_value=400_000)
_USD = st.decimals(min_value=0, max_value=100, places=4)
_PRICES = st.builds(
    Price,
    input=_USD,
    output=_USD,
    cached_input=st.none(),
    cache_write=_USD,
    long_context=st.builds(LongContext, above=st.just(100_000), input=_USD, output=_USD),
)


@given(_PRICES, _TOKENS, _TOKENS, _TOKENS)
def test_no_request_costs_more_than_its_bound(
    price: Price, prompt: int, output: int, written: int
) -> None:
    cost = price.cost_nano(
        prompt_tokens=prompt, completion_tokens=output, cache_write_tokens=min(written, prompt)
    )
    assert cost <= price.bound_nano(prompt_tokens=prompt, completion_tokens=output)


@given(st.integers(min_value=0, max_value=10**9), _TOKENS)
def test_what_is_affordable_is_within_the_amount(nano: int, prompt: int) -> None:
    tokens = GPT.affordable_tokens(nano, prompt_tokens=prompt)
    if tokens >= 0:
        assert GPT.bound_nano(prompt_tokens=prompt, completion_tokens=tokens) <= nano
        assert GPT.bound_nano(prompt_tokens=prompt, completion_tokens=tokens + 1) > nano
    else:
        assert GPT.bound_nano(prompt_tokens=prompt, completion_tokens=0) > nano
