"""What deployments cost: the shipped map, and what it is drawn from."""

import io
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command

from gateway.deployments.models import Deployment
from gateway.usage.price_extraction import extract, write
from gateway.usage.price_map import price_map
from gateway.usage.prices import prices_of, shipped_price
from policies.engine.facts import Zone


def deployment(**fields: object) -> Deployment:
    defaults: dict[str, object] = {
        "name": "gpt",
        "base_url": "https://api.openai.com/v1",
        "upstream_model": "gpt-4o",
        "zone": Zone.CLOUD.value,
    }
    return Deployment(**(defaults | fields))


def test_the_shipped_map_is_what_the_installed_litellm_says() -> None:
    shipped = price_map()
    drawn = extract(dated=date.fromisoformat(shipped.dated))
    assert shipped.litellm_version == drawn["litellm_version"], "run `manage.py prices update`"
    assert shipped.models == drawn["models"]


def test_the_map_is_dated_and_its_prices_are_decimals() -> None:
    assert date.fromisoformat(price_map().dated).year >= 2026
    known = price_map().find("openai", "gpt-4o")
    assert known is not None
    assert (known.price.input, known.price.output) == (Decimal("2.5"), Decimal(10))
    assert price_map().dated in known.price.source


def test_a_file_that_was_written_reads_the_same(tmp_path: Path) -> None:
    count = write(tmp_path / "prices.json", dated=date(2026, 1, 31))
    data = json.loads((tmp_path / "prices.json").read_text())
    assert data["dated"] == "2026-01-31"
    assert len(data["models"]) == count > 1000


def test_a_vendor_is_known_by_its_address_or_its_name() -> None:
    by_address = shipped_price(deployment())
    assert by_address is not None
    assert by_address.output == Decimal(10)
    by_option = shipped_price(
        deployment(
            provider="litellm_cloud",
            base_url="",
            upstream_model="claude-sonnet-4-5",
            options={"litellm_provider": "anthropic"},
        )
    )
    assert by_option is not None
    assert by_option.cache_write == Decimal("3.75")


@pytest.mark.django_db
def test_a_vendor_nobody_knows_has_no_price() -> None:
    unknown = deployment(base_url="https://vendor.example/v1")
    assert shipped_price(unknown) is None
    assert prices_of([unknown]) == {}


def test_our_own_machines_cost_nothing_whatever_their_model_is_called() -> None:
    ours = shipped_price(deployment(zone=Zone.ON_PREM.value))
    assert ours is not None
    assert ours.is_free


@pytest.mark.django_db
def test_the_command_shows_each_deployment_and_the_maps_date() -> None:
    deployment().save()
    deployment(name="other", base_url="https://vendor.example/v1").save()
    out = io.StringIO()
    call_command("prices", "show", stdout=out)
    assert price_map().dated in out.getvalue()
    assert "gpt: 2.5 USD in, 10 USD out, per million tokens" in out.getvalue()
    assert "other: no price is known" in out.getvalue()
