"""What a request costs: prices, the pure arithmetic over them, and the receipt of one request.

Money is US dollars. It is counted in whole nano-dollars wherever it is summed, stored or leased
(10^-9 USD: the cheapest token of the price map is ten of them), so that no sum is ever rounded
and SQLite, which has no decimals, adds as exactly as PostgreSQL does. People see `Decimal`.

Pure: no I/O, no clock.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

NANO_PER_USD: Final = 1_000_000_000
# A price is per million tokens, a cost in nano-dollars: tokens * price * 1,000.
_NANO_PER_MILLIONTH: Final = Decimal(1000)
_SECONDS_PER_HOUR: Final = Decimal(3600)
_NOTHING: Final = Decimal(0)
_ONE: Final = Decimal(1)
# For how long a request may occupy what is paid by the hour, as far as a reservation goes.
_LONGEST_S: Final = 600


def usd(nano: int) -> Decimal:
    """Nano-dollars as dollars, exactly."""
    return Decimal(nano).scaleb(-9)


def nano_of(amount: Decimal) -> int:
    """Dollars as nano-dollars, half a nano-dollar rounded up."""
    return int((amount * NANO_PER_USD).quantize(_ONE, ROUND_HALF_UP))


@dataclass(frozen=True, slots=True, kw_only=True)
class LongContext:
    """What a vendor asks for every token of a request with more than `above` input tokens."""

    above: int
    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one deployment costs, in USD. Per million tokens, but for `per_hour`.

    `cached_input` and `cache_write` None: as `input`. `per_hour` is what the part of a machine
    costs that one request occupies: a GPU's hour, divided by the requests that share it.
    """

    input: Decimal = _NOTHING
    output: Decimal = _NOTHING
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    per_hour: Decimal = _NOTHING
    long_context: LongContext | None = None
    source: str = ""  # where it comes from, for people: "sluice.yaml", "price map of 2026-11-20"

    @property
    def is_free(self) -> bool:
        """Whether no request can cost anything."""
        return not (
            self.input
            or self.output
            or self.cached_input
            or self.cache_write
            or self.per_hour
            or self.long_context
        )

    def cost_nano(
        self,
        *,
        prompt_tokens: int,
        completion_tokens: int = 0,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        duration_s: float = 0.0,
    ) -> int:
        """The cost in nano-dollars. The cached and written tokens are among the prompt's."""
        fresh, output, cached = self.input, self.output, self.cached_input
        written = self.cache_write
        long = self.long_context
        if long is not None and prompt_tokens > long.above:
            fresh, output, cached = long.input, long.output, long.cached_input
        cost = fresh * prompt_tokens + output * completion_tokens
        if cached_tokens and cached is not None:
            cost += (cached - fresh) * min(cached_tokens, prompt_tokens)
        if cache_write_tokens and written is not None:
            cost += (written - fresh) * min(cache_write_tokens, prompt_tokens)
        cost *= _NANO_PER_MILLIONTH
        if self.per_hour and duration_s > 0:
            cost += self.per_hour * Decimal(duration_s) * NANO_PER_USD / _SECONDS_PER_HOUR
        return max(0, int(cost.quantize(_ONE, ROUND_HALF_UP)))

    def bound_nano(self, *, prompt_tokens: int, completion_tokens: int) -> int:
        """No request with at most these tokens costs more than this; in nano-dollars.

        What is paid by the hour is bounded by ten minutes.
        """
        fresh, output = self._dearest(prompt_tokens)
        cost = (fresh * prompt_tokens + output * completion_tokens) * _NANO_PER_MILLIONTH
        if self.per_hour:
            cost += self.per_hour * _LONGEST_S * NANO_PER_USD / _SECONDS_PER_HOUR
        return int(cost.quantize(_ONE, ROUND_CEILING))

    def affordable_tokens(self, nano: int, *, prompt_tokens: int) -> int:
        """How many output tokens `nano` pays for beside the prompt; negative: not the prompt."""
        _, output = self._dearest(prompt_tokens)
        left = nano - self.bound_nano(prompt_tokens=prompt_tokens, completion_tokens=0)
        if left < 0:
            return -1
        return int(left / (output * _NANO_PER_MILLIONTH)) if output else left

    def _dearest(self, prompt_tokens: int) -> tuple[Decimal, Decimal]:
        """The highest (input, output) price that up to so many prompt tokens can meet."""
        fresh, output = max(self.input, self.cache_write or _NOTHING), self.output
        long = self.long_context
        if long is not None and prompt_tokens > long.above:
            fresh, output = max(fresh, long.input), max(output, long.output)
        return fresh, output


FREE: Final = Price(source="on-prem, no price set")


def cost_of(
    price: Price,
    *,
    prompt_tokens: int,
    completion_tokens: int = 0,
    cached_tokens: int = 0,
    duration_s: float = 0.0,
) -> Decimal:
    """What these tokens cost, in USD, exact to the nano-dollar."""
    return usd(
        price.cost_nano(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cached_tokens=cached_tokens,
            duration_s=duration_s,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one request used and cost, once it has ended.

    `estimated`: the vendor gave no figures (a stream that ended early), so the tokens are ours.
    `cost_nano` None: nobody knows this deployment's price.
    """

    deployment: str
    zone: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost_nano: int | None = None
    estimated: bool = False

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost in USD; None where no price is known."""
        return None if self.cost_nano is None else usd(self.cost_nano)
