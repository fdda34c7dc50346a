import django.utils.timezone
from django.db import migrations, models


def as_they_were_made(apps, schema_editor):
    """Let each key that is there sign from the moment on that it was made."""
    apps.get_model("apikeys", "SigningKey").objects.update(signs_from=models.F("created_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0004_revocation"),
    ]

    operations = [
        migrations.AddField(
            model_name="signingkey",
            name="signs_from",
            field=models.DateTimeField(default=django.utils.timezone.now),
        ),
        migrations.RunPython(as_they_were_made, migrations.RunPython.noop),
    ]
