"""The indexes by which audit events are looked through and get their places, each made beside writers."""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

AddIndexBesideWriters = import_module("apikeys.migrations.0009_lists_by_index").AddIndexBesideWriters
INDEXES = [
    models.Index(fields=["event_time", "id"], name="audit_by_time"),
    models.Index(fields=["target_id", "event_time"], name="audit_by_target"),
    models.Index(fields=["correlation_id"], name="audit_by_request"),
    models.Index(fields=["concerns", "event_time"], condition=Q(concerns__isnull=False), name="audit_concerning"),
    models.Index(fields=["event_time", "id"], condition=Q(place__isnull=True), name="audit_unsealed"),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("apikeys", "0013_audit_chain")]

    operations = [
        *(AddIndexBesideWriters("auditevent", index) for index in INDEXES),
        migrations.AddConstraint(
            "auditevent",
            models.UniqueConstraint(
                fields=["place"], condition=Q(place__isnull=False), name="one_audit_event_per_place"
            ),
        ),
    ]
