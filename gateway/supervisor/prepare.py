"""Before anything is served: the database, the first admin, the configuration."""

import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from gateway.accounts.acting import System
from gateway.deployments.probing import probe
from gateway.deployments.services import propose
from policies.services.bootstrap import FirstRun, first_run, update_demo_urls


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the first start made (None at later starts), and what was found and proposed."""

    first_run: FirstRun | None
    proposals: tuple[str, ...]


def prepare(demo_urls: Mapping[str, str]) -> Prepared:
    """Check, migrate, make the first admin once, point the demo deployments at today's ports,
    apply `SLUICE_CONFIG`. Exits with the reason when the configuration is bad."""
    # Prints only what is wrong.
    call_command("check", verbosity=0, stdout=io.StringIO())
    call_command("migrate", interactive=False, verbosity=0)
    if demo_urls:
        onprem, cloud = demo_urls["onprem"], demo_urls["cloud"]
        made = first_run(demo_onprem_url=onprem, demo_cloud_url=cloud)
        update_demo_urls(demo_onprem_url=onprem, demo_cloud_url=cloud)
    else:
        made = first_run()
    if made is not None:
        write_first_run(made)
    if settings.CONFIG_FILE is not None:
        call_command("config", "apply", str(settings.CONFIG_FILE), "--at-start")
    # Disabled until an admin says what may go there: an open port proves nothing.
    found = propose(by=System("discovery"), found=probe(), vendor_keys=settings.VENDOR_KEYS)
    # The children must not inherit an open database connection.
    connections.close_all()
    return Prepared(
        first_run=made,
        proposals=tuple(f"{row.name} ({row.upstream_model} at {row.base_url})" for row in found),
    )


def first_run_path() -> Path:
    """Where the first start leaves its credentials (mode 600)."""
    path: Path = settings.VAR_DIR / "first-run.json"
    return path


def write_first_run(made: FirstRun) -> None:
    """Write the credentials, readable by the owner alone."""
    content = {
        "url": settings.PUBLIC_URL,
        "admin_email": made.admin_email,
        "admin_password": made.admin_password,
        "project": made.project,
        "api_key": made.api_key,
    }
    descriptor = os.open(first_run_path(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")


def announce(prepared: Prepared) -> None:
    """Say where it is and, once, how to log in."""
    lines = [f"Sluice serves {settings.PUBLIC_URL}  (Ctrl-C stops it)"]
    made = prepared.first_run
    if made is not None:
        lines += [
            "",
            "First start. These are shown once, and kept in " + str(first_run_path()) + ":",
            f"  log in as   {made.admin_email}",
            f"  password    {made.admin_password}",
            f"  API key     {made.api_key}",
            f"  base_url    {settings.PUBLIC_URL}/v1   (project {made.project})",
        ]
    if prepared.proposals:
        lines += ["", "Found, and switched off until you say what may go there:"]
        lines += [f"  {proposal}" for proposal in prepared.proposals]
        lines.append("  manage.py deployments confirm NAME --zone …")
    sys.stdout.write("\n".join(["", *lines, "", ""]))
    sys.stdout.flush()
