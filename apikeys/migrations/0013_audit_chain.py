"""What the chain of audit events needs: columns, which no table is written anew for, and the row about it."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apikeys", "0012_log_ins")]

    operations = [
        migrations.CreateModel(
            name="AuditChain",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("pepper", models.PositiveSmallIntegerField()),
                ("sealed_key", models.BinaryField()),
                ("begun_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("place", models.PositiveBigIntegerField(default=0)),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("first_place", models.PositiveBigIntegerField(default=0)),
                ("first_digest", models.CharField(blank=True, max_length=64)),
                ("removed_at", models.DateTimeField(null=True)),
                ("code", models.CharField(max_length=64)),
            ],
        ),
        *(
            migrations.AddField("auditevent", name, models.CharField(max_length=64, null=True))
            for name in ("code", "concerns", "digest", "previous")
        ),
        migrations.AddField("auditevent", "place", models.PositiveBigIntegerField(null=True)),
    ]
