from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("console", "0008_login_streaks"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=16),
        ),
    ]
