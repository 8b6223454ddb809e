"""What must be right in the settings of metrics and traces before anything starts."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from gateway.telemetry.wiring import collector


@register()
def check_collector(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E022`: traces would go nowhere."""
    try:
        collector()
    except ValueError as error:
        hint = "Such as http://127.0.0.1:4318/v1/traces, with requirements/otel.txt installed."
        return [Error(f"SLUICE_OTLP_ENDPOINT is wrong: {error}.", hint=hint, id="sluice.E022")]
    return []


@register()
def check_worker_page(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E023`: nobody could read what a worker serves to other machines."""
    name = "SLUICE_WORKER_METRICS_HOST"
    try:
        local = ip_address(settings.WORKER_METRICS_HOST).is_loopback
    except ValueError:
        hint = "127.0.0.1, or 0.0.0.0 together with SLUICE_METRICS_KEY."
        return [Error(f"{name} is no IP address.", hint=hint, id="sluice.E023")]
    if local or settings.METRICS_KEY:
        return []
    hint = "Set SLUICE_METRICS_KEY, which whoever reads from another machine shows."
    return [Error(f"{name} is not this machine alone.", hint=hint, id="sluice.E023")]
