"""The index that searches are answered from. It holds every column that a condition may name, so
that no row is read; the two databases say that in different words."""

from django.db import migrations

_SQLITE = [
    "CREATE INDEX IF NOT EXISTS audit_request_search ON audit_requestrecord (at, id, project, zone,"
    " decision, deployment, actor, on_behalf_of, categories, classes)",
]
_POSTGRESQL = [
    "CREATE INDEX IF NOT EXISTS audit_request_search ON audit_requestrecord (at, id)"
    " INCLUDE (project, zone, decision, deployment, actor, on_behalf_of)",
    "CREATE INDEX IF NOT EXISTS audit_request_categories ON audit_requestrecord"
    " USING gin (categories jsonb_path_ops)",
    "CREATE INDEX IF NOT EXISTS audit_request_classes ON audit_requestrecord USING gin (classes)",
]
_NAMES = ["audit_request_search", "audit_request_categories", "audit_request_classes"]


def create(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in _POSTGRESQL if vendor == "postgresql" else _SQLITE:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    for name in _NAMES:
        schema_editor.execute(f"DROP INDEX IF EXISTS {name}")


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_heads_and_retention")]

    operations = [migrations.RunPython(create, drop)]
