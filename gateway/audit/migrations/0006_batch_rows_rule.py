"""Rows of batches were deleted after thirty days; that is a rule like the others, which may change."""

from django.db import migrations


def make_rule(apps, schema_editor):
    rules = apps.get_model("audit", "RetentionRule").objects
    rules.get_or_create(kind="batch_rows", defaults={"days": 30})


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_day_sums")]
    operations = [migrations.RunPython(make_rule, migrations.RunPython.noop)]
