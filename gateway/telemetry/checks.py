"""What must be right in the settings of traces before anything starts."""

from collections.abc import Sequence
from typing import Any

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
