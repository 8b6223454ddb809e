import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("purpose", models.CharField(max_length=10)),
                ("label", models.TextField()),
                (
                    "last_head",
                    models.BigIntegerField(default=0, help_text="The newest head delivered."),
                ),
                (
                    "failures",
                    models.IntegerField(
                        default=0, help_text="In a row; 0: the last one succeeded."
                    ),
                ),
                ("failing_since", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True, default="")),
                ("delivered_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="RetentionRule",
            fields=[
                ("kind", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("days", models.PositiveIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="SealedChain",
            fields=[
                (
                    "writer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="sealed",
                        serialize=False,
                        to="audit.writer",
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("head", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="SignedHead",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("body", models.TextField()),
                ("signature", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("chains", models.JSONField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="LegalHold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("project", "a project"), ("person", "a person")], max_length=10
                    ),
                ),
                ("subject", models.TextField()),
                ("reason", models.TextField()),
                ("since", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("kind", "subject"),
                        name="audit_hold_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StreamPosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("seq", models.BigIntegerField(default=0)),
                (
                    "open",
                    models.JSONField(
                        default=list,
                        help_text="Requests sent without an outcome: ids of their rows.",
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="positions",
                        to="audit.delivery",
                    ),
                ),
                (
                    "writer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="audit.writer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("delivery", "writer"), name="audit_stream_once")
                ],
            },
        ),
    ]
