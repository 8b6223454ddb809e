"""What must be right in the settings of anchors and streams before anything starts."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from gateway.audit.anchors import anchors
from gateway.audit.streaming.sending import streams


@register()
def check_destinations(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E020`: heads or events would go nowhere."""
    found: list[CheckMessage] = []
    for name, read in (("SLUICE_AUDIT_ANCHORS", anchors), ("SLUICE_AUDIT_STREAMS", streams)):
        try:
            read()
        except ValueError as error:
            hint = "Such as file:///mnt/elsewhere/heads.jsonl or syslog+tls://log.example:6514"
            found.append(Error(f"{name} is wrong: {error}.", hint=hint, id="sluice.E020"))
    return found


@register()
def check_key_place(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """`sluice.E021`: the signing key can neither be read nor made."""
    if settings.AUDIT_KEY_FILE.parent.is_dir():
        return []
    text = f"SLUICE_AUDIT_KEY names {settings.AUDIT_KEY_FILE}, whose folder does not exist."
    return [Error(text, hint="Make the folder, for the worker's user alone.", id="sluice.E021")]
