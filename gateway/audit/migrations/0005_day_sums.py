"""The search index holds what a day's sums need, too, so that no row is read for them; and a small
index finds requests that left the house and were answered inside, or by nobody."""

from django.db import migrations

_COLUMNS = "project, zone, decision, deployment, actor, on_behalf_of"
_LEFT = (
    "zone IN ('', 'on_prem') AND "
    "({at}(outcome_record, '\"cloud\"') > 0 OR {at}(outcome_record, '\"private_cloud\"') > 0)"
)
_SQLITE = [
    "DROP INDEX IF EXISTS audit_request_search",
    "CREATE INDEX audit_request_search ON audit_requestrecord (at, id, project, zone,"
    " decision, deployment, actor, on_behalf_of, categories, classes, masked, outcome_state, sensitivity)",
    "CREATE INDEX IF NOT EXISTS audit_request_elsewhere ON audit_requestrecord (at) WHERE "
    + _LEFT.format(at="instr"),
]
_POSTGRESQL = [
    "DROP INDEX IF EXISTS audit_request_search",
    "CREATE INDEX audit_request_search ON audit_requestrecord (at, id)"
    f" INCLUDE ({_COLUMNS}, masked, outcome_state, sensitivity)",
    "CREATE INDEX IF NOT EXISTS audit_request_elsewhere ON audit_requestrecord (at) WHERE "
    + _LEFT.format(at="strpos"),
]
_SQLITE_BEFORE = [
    "DROP INDEX IF EXISTS audit_request_elsewhere",
    "DROP INDEX IF EXISTS audit_request_search",
    "CREATE INDEX audit_request_search ON audit_requestrecord (at, id, project, zone,"
    " decision, deployment, actor, on_behalf_of, categories, classes)",
]
_POSTGRESQL_BEFORE = [
    "DROP INDEX IF EXISTS audit_request_elsewhere",
    "DROP INDEX IF EXISTS audit_request_search",
    f"CREATE INDEX audit_request_search ON audit_requestrecord (at, id) INCLUDE ({_COLUMNS})",
]


def create(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in _POSTGRESQL if postgresql else _SQLITE:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in _POSTGRESQL_BEFORE if postgresql else _SQLITE_BEFORE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_committed_decisions")]

    operations = [migrations.RunPython(create, drop)]
