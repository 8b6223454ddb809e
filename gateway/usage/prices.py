"""What each deployment costs: the operator's word first, then the price map, on-prem nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from gateway.deployments.models import Deployment
from gateway.inference.prices import FREE, Price
from gateway.usage.models import DeploymentPrice
from gateway.usage.price_map import price_map, vendor_at
from policies.engine.facts import Zone

_DEAREST: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTerms:
    """`price` of a deployment as somebody states it, in USD.

    Per million tokens; and `gpu_hour` for each of `gpus`, shared by `shared_by` requests at once.
    """

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cached_input: Decimal | None = None
    gpu_hour: Decimal = Decimal(0)
    gpus: int = 1
    shared_by: int = 1

    def check(self) -> None:
        """Raises ValidationError with a message per field."""
        problems: dict[str, str] = {}
        for name in ("input", "output", "cached_input", "gpu_hour"):
            value = getattr(self, name)
            if value is not None and not (value.is_finite() and 0 <= value <= _DEAREST):
                problems[name] = f"US dollars, from 0 to {_DEAREST}."
            elif value is not None and value.as_tuple().exponent < -6:
                problems[name] = "At most six digits after the point."
        for name in ("gpus", "shared_by"):
            if not 1 <= getattr(self, name) <= 100_000:
                problems[name] = "A whole number from 1 to 100000."
        if problems:
            raise ValidationError(problems)

    def stored(self) -> dict[str, str]:
        """What differs from nothing said, as text."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: format(value, "f") if isinstance(value, Decimal) else str(value)
            for name, value in said.items()
            if value is not None and value != getattr(_UNSAID, name)
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Terms from what `stored` gave."""
        return cls(
            input=Decimal(stored.get("input", 0)),
            output=Decimal(stored.get("output", 0)),
            cached_input=Decimal(stored["cached_input"]) if "cached_input" in stored else None,
            gpu_hour=Decimal(stored.get("gpu_hour", 0)),
            gpus=int(stored.get("gpus", 1)),
            shared_by=int(stored.get("shared_by", 1)),
        )

    def price(self) -> Price:
        """The price that these terms make."""
        return Price(
            input=self.input,
            output=self.output,
            cached_input=self.cached_input,
            per_hour=self.gpu_hour * self.gpus / self.shared_by,
            source="sluice.yaml",
        )


_UNSAID: Final = PriceTerms()


def prices_of(deployments: Iterable[Deployment]) -> dict[str, Price]:
    """The prices by name; a deployment that is missing has none that anybody knows. One query."""
    stated = {
        row.deployment_id: PriceTerms.read(row.terms) for row in DeploymentPrice.objects.all()
    }
    found: dict[str, Price] = {}
    for row in deployments:
        terms = stated.get(row.pk)
        price = terms.price() if terms is not None else shipped_price(row)
        if price is not None:
            found[row.name] = price
    return found


def shipped_price(row: Deployment) -> Price | None:
    """What the price map says of a deployment. Our own machines cost nothing unless somebody
    says otherwise; nor do the demo models."""
    if row.zone == Zone.ON_PREM or row.builtin:
        return FREE
    vendor = row.options.get("litellm_provider") or vendor_at(urlsplit(row.base_url).hostname or "")
    known = price_map().find(vendor or row.vendor.lower(), row.upstream_model)
    return known.price if known is not None else None
