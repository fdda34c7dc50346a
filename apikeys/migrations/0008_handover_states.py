from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Now


def bring_along(apps, schema_editor):
    """Give each row what says its state: what was sealed goes on, and what a person has dismissed was not received.

    A reservation gets a time, too: a process of the release before may seal it yet, and writes none.
    """
    rows = apps.get_model("apikeys", "Handover").objects
    rows.update(sealed_at=F("created_at"))
    rows.filter(key_id="").update(dismissed_at=F("received_at"), received_at=None)


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0007_handover_extensions")]

    operations = [
        migrations.RemoveIndex("handover", "sealed_handovers"),
        migrations.AlterField("handover", "uncertain", models.BooleanField(db_column="uncertain", default=False)),
        migrations.RenameField("handover", "uncertain", "unconfirmed"),
        migrations.AddField("handover", "dismissed_at", models.DateTimeField(null=True)),
        migrations.AddField("handover", "sealed_at", models.DateTimeField(db_default=Now(), null=True)),
        migrations.RunPython(bring_along, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            "handover",
            models.Index(fields=["sealed_at"], condition=Q(sealed__isnull=False), name="sealed_handovers_by_age"),
        ),
        migrations.AddConstraint(
            "handover",
            models.CheckConstraint(
                condition=Q(sealed=None) | Q(sealed_at__isnull=False) & ~Q(key_id=""),
                name="sealed_for_a_key_and_a_time",
            ),
        ),
    ]
