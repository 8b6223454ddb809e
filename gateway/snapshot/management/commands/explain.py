"""`manage.py explain`: what would be decided about a request body, and why. Sends nothing."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.accounts.models import APIKey
from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.explain import explain_request
from gateway.protocol.errors import GatewayError
from gateway.snapshot.now import snapshot_now
from policies.engine.facts import Endpoint


class Command(BaseCommand):
    """Explains a decision."""

    help = "Show label, findings, rules and destinations for a request body on standard input."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", required=True, help="the project's slug")
        parser.add_argument(
            "--endpoint",
            default=Endpoint.CHAT_COMPLETIONS.value,
            choices=[endpoint.value for endpoint in Endpoint],
        )
        parser.add_argument("--declare", default="", help="as in x-sluice-declare")
        parser.add_argument("--key", metavar="PREFIX", help="as this API key would be decided")
        parser.add_argument("--group", action="append", default=[], help="as a member of a group")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        snapshot = snapshot_now()
        if options["project"] not in snapshot.projects:
            known = ", ".join(sorted(snapshot.projects)) or "none"
            raise CommandError(
                f"no project {options['project']} with a readable policy; there are: {known}"
            )
        principal = _principal(snapshot, options)
        try:
            told = explain_request(
                snapshot,
                principal,
                Endpoint(options["endpoint"]),
                sys.stdin.buffer.read(),
                options["declare"],
            )
        except GatewayError as error:
            raise CommandError(f"{error.status} {error.code}: {error.message}") from error
        self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))


def _principal(snapshot: Snapshot, options: dict[str, Any]) -> Principal:
    prefix = options["key"]
    if not prefix:
        return Principal(
            actor="system:console",
            project=options["project"],
            groups=frozenset(options["group"]),
        )
    key = APIKey.objects.filter(prefix=prefix, project__slug=options["project"]).first()
    principal = snapshot.keys.get(bytes.fromhex(key.digest)) if key is not None else None
    if principal is None:
        raise CommandError(f"the project has no live key {prefix}")
    return principal
