"""The index behind the search in transcripts: GIN on PostgreSQL, a mirrored FTS5 table on SQLite."""

from django.db import migrations

POSTGRESQL = ["CREATE INDEX chat_message_terms ON chat_message USING gin (terms)"]
SQLITE = [
    "CREATE VIRTUAL TABLE chat_message_terms USING fts5(terms, content='chat_message', content_rowid='id')",
    """CREATE TRIGGER chat_message_terms_insert AFTER INSERT ON chat_message BEGIN
       INSERT INTO chat_message_terms(rowid, terms) VALUES (new.id, new.terms); END""",
    """CREATE TRIGGER chat_message_terms_delete AFTER DELETE ON chat_message BEGIN
       INSERT INTO chat_message_terms(chat_message_terms, rowid, terms) VALUES ('delete', old.id, old.terms); END""",
]


def create(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX chat_message_terms")
        return
    for statement in (
        "DROP TRIGGER chat_message_terms_insert",
        "DROP TRIGGER chat_message_terms_delete",
        "DROP TABLE chat_message_terms",
    ):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
