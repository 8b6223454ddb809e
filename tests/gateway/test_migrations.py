"""The models and their migrations agree, and the release before can live with what they do."""

import gzip
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, CreateModel
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

from tests.support.sluice import ROOT

NEVER = {"RenameField", "RenameModel", "AlterField", "AlterModelTable"}
LATER = {"RemoveField", "DeleteModel"}
# Its one row is there since the first start: nothing inserts another.
INSERTED_ONCE = {("accounts", "organisation")}


@pytest.mark.django_db
def test_no_migration_is_lacking() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def released(place: Path) -> set[tuple[str, str]]:
    """The migrations of the newest version whose database is kept."""
    newest = max(
        (ROOT / "tests/fixtures").glob("*/sluice.sqlite3.gz"),
        key=lambda path: [int(part) for part in path.parent.name.split(".")],
    )
    (place / "kept").write_bytes(gzip.decompress(newest.read_bytes()))
    kept = sqlite3.connect(place / "kept")
    try:
        return set(kept.execute("SELECT app, name FROM django_migrations"))
    finally:
        kept.close()


def ours() -> Iterator[tuple[tuple[str, str], Operation]]:
    own = {
        config.label
        for config in apps.get_app_configs()
        if config.name.split(".")[0] in {"gateway", "policies", "frontend"}
    }
    loaded = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    for key, migration in loaded.items():
        if key[0] in own:
            for operation in migration.operations:
                yield key, operation


def test_the_release_before_can_live_with_every_migration(tmp_path: Path) -> None:
    """docs/operations.md, "Migrations without a pause": while processes are replaced, old code
    writes to the new tables. A model that was never released may be changed as one likes."""
    before = released(tmp_path)
    known = {
        (app, operation.name_lower)
        for (app, name), operation in ours()
        if isinstance(operation, CreateModel) and (app, name) in before
    }
    assert known
    wrong = []
    for (app, name), operation in ours():
        kind = type(operation).__name__
        model = getattr(operation, "model_name", "") or getattr(operation, "name", "")
        if (app, name) in before or (app, model.lower()) not in known:
            continue
        if kind in NEVER | LATER:
            wrong.append(f"{app}.{name}: {kind} of {model}")
        if isinstance(operation, AddField):
            field = operation.field
            if (app, model.lower()) in INSERTED_ONCE:
                continue
            if not (field.null or field.many_to_many or field.db_default is not NOT_PROVIDED):
                wrong.append(f"{app}.{name}: {model}.{operation.name} needs null or a db_default")
    assert wrong == []
