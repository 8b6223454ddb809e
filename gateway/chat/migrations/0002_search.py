"""Full text over the keyed hashes of words in `chat_message.terms`.

SQLite: an FTS5 table that reads its content from the messages and is kept by triggers, so that a
deleted message is gone from it in the same statement. PostgreSQL: an index of its own kind.
"""

from django.db import migrations

_SQLITE = [
    "CREATE VIRTUAL TABLE IF NOT EXISTS chat_terms USING fts5("
    "terms, content='chat_message', content_rowid='id', tokenize='ascii', detail='none')",
    "CREATE TRIGGER IF NOT EXISTS chat_terms_insert AFTER INSERT ON chat_message BEGIN"
    " INSERT INTO chat_terms(rowid, terms) VALUES (new.id, new.terms); END",
    "CREATE TRIGGER IF NOT EXISTS chat_terms_delete AFTER DELETE ON chat_message BEGIN"
    " INSERT INTO chat_terms(chat_terms, rowid, terms) VALUES ('delete', old.id, old.terms); END",
    "CREATE TRIGGER IF NOT EXISTS chat_terms_update AFTER UPDATE OF terms ON chat_message BEGIN"
    " INSERT INTO chat_terms(chat_terms, rowid, terms) VALUES ('delete', old.id, old.terms);"
    " INSERT INTO chat_terms(rowid, terms) VALUES (new.id, new.terms); END",
]
_SQLITE_UNDO = [
    "DROP TRIGGER IF EXISTS chat_terms_insert",
    "DROP TRIGGER IF EXISTS chat_terms_delete",
    "DROP TRIGGER IF EXISTS chat_terms_update",
    "DROP TABLE IF EXISTS chat_terms",
]
_POSTGRESQL = [
    "CREATE INDEX IF NOT EXISTS chat_terms ON chat_message"
    " USING gin (to_tsvector('simple', terms))",
]
_POSTGRESQL_UNDO = ["DROP INDEX IF EXISTS chat_terms"]


def create(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in _POSTGRESQL if vendor == "postgresql" else _SQLITE:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in _POSTGRESQL_UNDO if vendor == "postgresql" else _SQLITE_UNDO:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]
