"""SQLite makes a table anew for a new column (0003) and forgets its triggers: they are made again, and what was written
meanwhile is indexed."""

from importlib import import_module

from django.db import migrations

TRIGGERS = import_module("chat.migrations.0002_search_index").SQLITE[1:]


def create(apps, schema_editor):
    if schema_editor.connection.vendor != "sqlite":
        return
    for statement in TRIGGERS:
        schema_editor.execute(statement.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS"))
    schema_editor.execute("INSERT INTO chat_message_terms(chat_message_terms) VALUES ('rebuild')")


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_sources")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
