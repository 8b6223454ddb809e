"""Reserving out of what this process holds: every limit of a request, or none. No I/O.

A request without limits is never here. What is lacking comes back by name and can be fetched;
what the store just said that it has not is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.inference.contracts import Refusal
from gateway.inference.limits import Ask
from gateway.inference.prices import Price
from gateway.usage import refusals
from gateway.usage.applicable import Applicable, Money
from gateway.usage.holdings import Holding, Holdings
from gateway.usage.leases import Lease, MinuteLeases, Part

# What an answer may have where a budget must bound it and the caller said nothing.
DEFAULT_OUTPUT_TOKENS: Final = 8192
# A budget's rest that pays for fewer is spent: a stub of an answer helps nobody.
LEAST_OUTPUT_TOKENS: Final = 256
_EXHAUSTED_FOR_S: Final = 1.0


class _Unlimited:
    """Nothing was reserved, nothing is settled."""

    __slots__ = ()
    output_limit: int | None = None
    reserved_nano = 0
    leased: Sequence[list[str]] = ()

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        """Nothing."""

    def release(self) -> None:
        """Nothing."""


UNLIMITED: Final = _Unlimited()


class Reserved:
    """What one request has of its limits."""

    __slots__ = (
        "_holdings",
        "_open",
        "leased",
        "money",
        "output_limit",
        "parts",
        "reserved_nano",
        "slots",
    )

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._open = True
        self.parts: list[Part] = []
        self.slots: list[Holding] = []
        self.money: list[Holding] = []
        self.output_limit: int | None = None
        self.reserved_nano = 0
        self.leased: list[list[str]] = []

    @property
    def window(self) -> int:
        """Which minute it counts in, of its first limit per minute."""
        return self.parts[0].window if self.parts else -1

    def settle(self, *, tokens: int, cost_nano: int) -> None:
        """It was sent: a request is a request, tokens and money are what was used."""
        self._end(requests=1, tokens=tokens, nano=cost_nano)

    def release(self) -> None:
        """Nothing was sent: the next request may have it."""
        self._end(requests=0, tokens=0, nano=0)

    def _end(self, *, requests: int, tokens: int, nano: int) -> None:
        if not self._open:
            return
        self._open = False
        for part in self.parts:
            part.settle(requests if part.lease.key.kind == "requests" else tokens)
        holdings = self._holdings
        for slot in self.slots:
            holdings.put_back(slot, 1)
        for money in self.money:
            holdings.put_back(money, self.reserved_nano - nano)


@dataclass(slots=True)
class Short:
    """What a request lacks: its lease, and how much of it."""

    of: Lease | Holding | Money
    amount: int


class Heal(Protocol):
    """Looks, in the background, for what dead processes hold of what ran out."""

    def __call__(self, holding: Holding, money: Money | None) -> None:
        """Returns at once."""
        ...


class Reserving:
    """See the module. One instance per gate."""

    def __init__(
        self,
        minutes: MinuteLeases,
        holdings: Holdings,
        *,
        clock: Callable[[], float],
        heal: Heal,
    ) -> None:
        self._minutes, self._holdings = minutes, holdings
        self._clock, self._heal = clock, heal

    def attempt(self, applicable: Applicable, ask: Ask) -> Reserved | Refusal | Short:
        """Everything, or nothing and what stood in the way."""
        reserved = Reserved(self._holdings)
        problem = self._take_rates(reserved, applicable, ask)
        if problem is None and applicable.money:
            problem = self._take_money(reserved, applicable, ask)
        if problem is None:
            return reserved
        reserved.release()
        return problem

    def _take_rates(
        self, reserved: Reserved, applicable: Applicable, ask: Ask
    ) -> Refusal | Short | None:
        for leases, amount in ((applicable.requests, 1), (applicable.tokens, ask.tokens)):
            for lease in leases:
                # What is larger than the limit takes a whole minute, and the debt is settled.
                wanted = min(amount, max(1, lease.limit))
                got = self._minutes.take(lease, wanted)
                if got is None:
                    return Short(lease, wanted)
                if isinstance(got, Refusal):
                    return got
                reserved.parts.append(got)
        for slot, whose in applicable.slots:
            if self._holdings.usable(slot) < 1:
                if not self._believed(slot):
                    return Short(slot, 1)
                self._heal(slot, None)
                return refusals.too_many(slot.limit, whose)
            self._holdings.take(slot, 1)
            reserved.slots.append(slot)
        return None

    def _take_money(
        self, reserved: Reserved, applicable: Applicable, ask: Ask
    ) -> Refusal | Short | None:
        if not ask.prices or all(price is not None and price.is_free for price in ask.prices):
            return None
        if None in ask.prices:
            return refusals.unpriced([money.rule for money in applicable.money])
        prices = [price for price in ask.prices if price is not None]
        wanted = DEFAULT_OUTPUT_TOKENS if ask.output_limit is None else ask.output_limit
        limit = wanted
        for money in applicable.money:
            usable = self._holdings.usable(money.holding)
            if usable >= _bound(prices, ask, wanted):
                continue
            if not self._believed(money.holding):
                return Short(money, _bound(prices, ask, wanted))
            limit = min(limit, _affordable(prices, ask, usable))
            if limit < min(wanted, LEAST_OUTPUT_TOKENS):
                return self._spent(money)
        need = _bound(prices, ask, limit)
        for money in applicable.money:
            self._holdings.take(money.holding, need)
            reserved.money.append(money.holding)
            reserved.leased.append([str(money.rule.id), money.subject, money.window])
        reserved.reserved_nano = need
        reserved.output_limit = limit
        return None

    def _believed(self, holding: Holding) -> bool:
        """Whether the store just said that it has no more, or could not be asked."""
        now = self._clock()
        return now < holding.refused_until or now < holding.unknown_until

    def _spent(self, money: Money) -> Refusal:
        now = self._clock()
        holding, rule = money.holding, money.rule
        if now < holding.unknown_until and now >= holding.refused_until:
            return refusals.out_of_sight(rule)
        holding.exhausted_until = now + _EXHAUSTED_FOR_S
        self._heal(holding, money)
        return refusals.spent(rule)


def _bound(prices: Sequence[Price], ask: Ask, limit: int) -> int:
    tokens = limit * ask.choices
    return max(
        price.bound_nano(prompt_tokens=ask.prompt_bound, completion_tokens=tokens)
        for price in prices
    )


def _affordable(prices: Sequence[Price], ask: Ask, nano: int) -> int:
    """Output tokens of each choice that so much money pays for at every price."""
    return min(
        price.affordable_tokens(nano, prompt_tokens=ask.prompt_bound) // ask.choices
        for price in prices
    )
