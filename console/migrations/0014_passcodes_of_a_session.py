from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("console", "0013_mails"),
    ]

    operations = [
        migrations.AddField(
            model_name="passcode",
            name="session",
            field=models.CharField(max_length=40, null=True),
        ),
    ]
