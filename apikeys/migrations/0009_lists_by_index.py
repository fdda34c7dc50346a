"""The indexes of each sort of each view, of what few keys are, and of the ends of hints.

One at a time, so that the release before goes on serving: PostgreSQL makes them beside writers, SQLite holds them up
for the seconds that one index takes. What was interrupted goes on where it stopped.
"""

from django.db import migrations, models
from django.db.models import F, Q

from apikeys.models import DescriptionStart, Expiration, HintEnd, LastUse


class AddIndexBesideWriters(migrations.AddIndex):
    """Adds an index that may be there already, whole or as what is left of a try that was interrupted."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        connection = schema_editor.connection
        model = to_state.apps.get_model(app_label, self.model_name)
        table = model._meta.db_table
        with connection.cursor() as cursor:
            if self.index.name in connection.introspection.get_constraints(cursor, table):
                if connection.vendor != "postgresql" or _is_valid(cursor, self.index.name):
                    return
                cursor.execute(f"DROP INDEX CONCURRENTLY {schema_editor.quote_name(self.index.name)}")
        if connection.vendor == "postgresql":
            schema_editor.add_index(model, self.index, concurrently=True)
        else:
            schema_editor.add_index(model, self.index)


def _is_valid(cursor, name):
    cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [name])
    return cursor.fetchone()[0]


INDEXES = [
    models.Index(F("iam_id"), DescriptionStart(), F("id"), name="keys_by_description"),
    models.Index(F("iam_id"), LastUse(), F("id"), name="keys_by_last_use"),
    models.Index(F("iam_id"), Expiration(), F("id"), name="keys_by_expiration"),
    models.Index(fields=["iam_id", "created_by", "id"], name="keys_by_creator"),
    models.Index(fields=["account_id", "name_folded", "id"], name="account_keys_by_name"),
    models.Index(F("account_id"), DescriptionStart(), F("id"), name="account_keys_by_description"),
    models.Index(F("account_id"), LastUse(), F("id"), name="account_keys_by_last_use"),
    models.Index(F("account_id"), Expiration(), F("id"), name="account_keys_by_expiration"),
    models.Index(fields=["account_id", "created_by", "id"], name="account_keys_by_creator"),
    models.Index(HintEnd(), name="keys_by_hint"),
    models.Index(fields=["iam_id", "created_at", "id"], condition=Q(leaked=True), name="keys_leaked"),
    models.Index(fields=["account_id", "created_at", "id"], condition=Q(leaked=True), name="account_keys_leaked"),
    models.Index(fields=["iam_id", "created_at", "id"], condition=Q(disabled=True), name="keys_disabled"),
    models.Index(fields=["account_id", "created_at", "id"], condition=Q(disabled=True), name="account_keys_disabled"),
    models.Index(fields=["iam_id", "created_at", "id"], condition=Q(locked=True), name="keys_locked"),
    models.Index(fields=["account_id", "created_at", "id"], condition=Q(locked=True), name="account_keys_locked"),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("apikeys", "0008_handover_states")]

    operations = [AddIndexBesideWriters("apikeyrecord", index) for index in INDEXES]
