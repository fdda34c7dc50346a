from django.db import migrations, models

from apikeys.backends.search import fold


def fold_names(apps, schema_editor):
    """Fill the folded copies of the service IDs that are there."""
    for record in apps.get_model("apikeys", "ServiceIdRecord").objects.iterator():
        record.name_folded, record.description_folded = fold(record.name)[:255], fold(record.description)
        record.save(update_fields=["name_folded", "description_folded"])


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0005_signing_key_signs_from"),
    ]

    operations = [
        migrations.AddField(
            model_name="serviceidrecord",
            name="name_folded",
            field=models.TextField(default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="serviceidrecord",
            name="description_folded",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="serviceidrecord",
            name="unique_instance_crns",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="serviceidrecord",
            name="nonce_digest",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="serviceidrecord",
            name="past_use_count",
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="serviceidrecord",
            name="past_last_used_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunPython(fold_names, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="serviceidrecord",
            constraint=models.UniqueConstraint(
                condition=models.Q(("nonce_digest", ""), _negated=True),
                fields=("created_by", "nonce_digest"),
                name="one_service_id_per_nonce",
            ),
        ),
    ]
