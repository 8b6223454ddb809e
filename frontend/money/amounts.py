"""Amounts as people read them. The one currency is the US dollar, as prices are stated in it."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from gateway.inference.prices import usd

_CENTS: Final = Decimal("0.01")


def money(nano: int | None) -> str:
    """Nano-dollars as `$0.0021`, two digits that count below a cent; empty for None."""
    return "" if nano is None else dollars(usd(nano))


def dollars(amount: Decimal) -> str:
    """`$1,204.50`, `$0.00031`, `$0`."""
    if not amount:
        return "$0"
    if amount >= 1:
        return f"${amount.quantize(_CENTS, ROUND_HALF_UP):,.2f}"
    # As many digits as the first two that count, but never fewer than cents have.
    places = max(2, 1 - amount.adjusted())
    return f"${amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"
