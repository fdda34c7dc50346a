"""Columns of the console's own beside those of Django's table of sessions, and the index that finds a person's."""

from django.db import migrations, models

COLUMNS = ("user_id", "began_at", "last_used_at", "address", "agent")
BY_PERSON = models.Index(fields=["user_id"], name="sessions_by_person")


def add_columns(apps, schema_editor):
    session = apps.get_model("console", "Session")
    for name in COLUMNS:
        schema_editor.add_field(session, session._meta.get_field(name))
    schema_editor.add_index(session, BY_PERSON)


def remove_columns(apps, schema_editor):
    session = apps.get_model("console", "Session")
    schema_editor.remove_index(session, BY_PERSON)
    for name in COLUMNS:
        schema_editor.remove_field(session, session._meta.get_field(name))


class Migration(migrations.Migration):
    dependencies = [
        ("console", "0003_people"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "session_key",
                    models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key"),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("user_id", models.BigIntegerField(null=True)),
                ("began_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("address", models.CharField(max_length=45, null=True)),
                ("agent", models.CharField(max_length=255, null=True)),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "db_table": "django_session",
                "abstract": False,
                "managed": False,
            },
        ),
        migrations.RunPython(add_columns, remove_columns),
    ]
