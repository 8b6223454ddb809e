"""What each deployment costs: the operator's word first, then the price map, on-prem nothing."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from gateway.deployments.models import Deployment
from gateway.inference.prices import FREE, Price
from gateway.usage.price_map import price_map, vendor_at
from policies.engine.facts import Zone


def prices_of(deployments: Iterable[Deployment]) -> dict[str, Price]:
    """The prices by name; a deployment that is missing has none that anybody knows."""
    found: dict[str, Price] = {}
    for row in deployments:
        price = shipped_price(row)
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
