"""The models and their migrations agree."""

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_no_migration_is_lacking() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
