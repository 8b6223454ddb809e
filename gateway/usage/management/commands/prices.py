"""`manage.py prices show|update`: what is known of vendors' prices, and drawing the file anew."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from typing_extensions import override

from gateway.deployments.models import Deployment
from gateway.inference.prices import Price
from gateway.usage import price_extraction, price_map
from gateway.usage.prices import prices_of

_FILE = Path(price_map.__file__).parent / "data" / price_map.FILE


class Command(BaseCommand):
    """Shows prices, or draws the shipped file from the installed LiteLLM."""

    help = "Show what each deployment costs, or update the shipped file of prices."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["show", "update"])
        parser.add_argument(
            "--date", type=date.fromisoformat, help="update: the map's date, today unless given"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "update":
            try:
                count = price_extraction.write(
                    _FILE, dated=options["date"] or timezone.now().date()
                )
            except price_extraction.PricesUnreadable as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"{count} models written to {_FILE.name}")
            return
        self.stdout.write(f"shipped: {price_map.price_map().source}")
        rows = list(Deployment.objects.all())
        prices = prices_of(rows)
        for row in rows:
            self.stdout.write(f"{row.name}: {_words(prices.get(row.name))}")


def _words(price: Price | None) -> str:
    if price is None:
        return "no price is known; set one under `price` in sluice.yaml"
    if price.is_free:
        return "free"
    parts = [f"{price.input} USD in, {price.output} USD out, per million tokens"]
    if price.per_hour:
        parts.append(f"{price.per_hour} USD an hour")
    return ", ".join(parts) + f" ({price.source})"
