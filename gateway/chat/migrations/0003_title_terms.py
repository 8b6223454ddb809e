"""Titles in the search index: a table of their own, indexed as messages are (0002)."""

import django.db.models.deletion
from django.db import migrations, models

_SQLITE = [
    "CREATE VIRTUAL TABLE IF NOT EXISTS chat_title_terms USING fts5("
    "terms, content='chat_titleterms', content_rowid='id', tokenize='ascii', detail='none')",
    "CREATE TRIGGER IF NOT EXISTS chat_title_terms_insert AFTER INSERT ON chat_titleterms BEGIN"
    " INSERT INTO chat_title_terms(rowid, terms) VALUES (new.id, new.terms); END",
    "CREATE TRIGGER IF NOT EXISTS chat_title_terms_delete AFTER DELETE ON chat_titleterms BEGIN"
    " INSERT INTO chat_title_terms(chat_title_terms, rowid, terms)"
    " VALUES ('delete', old.id, old.terms); END",
    "CREATE TRIGGER IF NOT EXISTS chat_title_terms_update AFTER UPDATE OF terms ON chat_titleterms"
    " BEGIN INSERT INTO chat_title_terms(chat_title_terms, rowid, terms)"
    " VALUES ('delete', old.id, old.terms);"
    " INSERT INTO chat_title_terms(rowid, terms) VALUES (new.id, new.terms); END",
]
_SQLITE_UNDO = [
    "DROP TRIGGER IF EXISTS chat_title_terms_insert",
    "DROP TRIGGER IF EXISTS chat_title_terms_delete",
    "DROP TRIGGER IF EXISTS chat_title_terms_update",
    "DROP TABLE IF EXISTS chat_title_terms",
]
_POSTGRESQL = [
    "CREATE INDEX IF NOT EXISTS chat_title_terms ON chat_titleterms"
    " USING gin (to_tsvector('simple', terms))",
]
_POSTGRESQL_UNDO = ["DROP INDEX IF EXISTS chat_title_terms"]


def create(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in _POSTGRESQL if vendor == "postgresql" else _SQLITE:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in _POSTGRESQL_UNDO if vendor == "postgresql" else _SQLITE_UNDO:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_search")]

    operations = [
        migrations.CreateModel(
            name="TitleTerms",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("terms", models.TextField(blank=True, default="")),
                (
                    "conversation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="title_terms",
                        to="chat.conversation",
                    ),
                ),
            ],
        ),
        migrations.RunPython(create, drop),
    ]
