"""The index that searches for changes are answered from, with every column that a condition may
name. On PostgreSQL it comes about while others write."""

from django.db import migrations

_SQLITE = (
    "CREATE INDEX IF NOT EXISTS audit_event_search ON audit_auditevent"
    " (seq, at, type, project, actor, object_type, object_id)"
)
_POSTGRESQL = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_event_search ON audit_auditevent (seq)"
    " INCLUDE (at, type, project, actor, object_type, object_id)"
)


def create(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    schema_editor.execute(_POSTGRESQL if vendor == "postgresql" else _SQLITE)


def drop(apps, schema_editor):
    schema_editor.execute("DROP INDEX IF EXISTS audit_event_search")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0006_batch_rows_rule")]

    operations = [migrations.RunPython(create, drop)]
