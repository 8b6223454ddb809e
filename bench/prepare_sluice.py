"""Sets a fresh Sluice up: database, configuration, a key. Run by `bench.sluice_gateway`.

`python -m bench.prepare_sluice CONFIG REQUESTS_PER_MINUTE`, with SLUICE_VAR and PORT set. Prints
one line of JSON: the key's text, and the command lines by which the supervisor starts the web
process, the worker, the loader and the store, so that the bench measures exactly those.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from gateway.accounts.acting import System  # noqa: E402
from gateway.accounts.models import Project  # noqa: E402
from gateway.accounts.services import create_api_key, create_service_account  # noqa: E402
from gateway.supervisor.__main__ import web_command, worker_command  # noqa: E402
from gateway.usage.store_server import store_command  # noqa: E402
from policies.services.configuration import Authority, ConfigFile, apply  # noqa: E402

PROJECT = "bench"


def main() -> None:
    """Prepare, then say what was made."""
    config, requests_per_minute = Path(sys.argv[1]), int(sys.argv[2])
    by = System("console")
    call_command("migrate", interactive=False, verbosity=0)
    apply(ConfigFile.read(config), authority=Authority(by), yes_widen=True)
    project = Project.objects.get(slug=PROJECT)
    made = create_api_key(
        by=by,
        project=project,
        name="bench",
        owner=create_service_account(by=by, project=project, name="bench"),
        requests_per_minute=requests_per_minute,
    )
    said = {
        "key": made.text,
        "web": web_command(),
        "worker": worker_command(),
        "loader": [sys.executable, "manage.py", "audit", "load"],
        "store": store_command(settings.VALKEY_SOCKET, settings.VAR_DIR),
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
