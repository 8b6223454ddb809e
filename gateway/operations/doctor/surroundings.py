"""Looks at what Sluice stands on: settings, versions, database, store, clocks, secrets."""

import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version

import redis
from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F
from django.utils import timezone

from gateway.accounts.models import ControlVersion
from gateway.audit.services import latest_time_seen
from gateway.operations.doctor.findings import Finding, odd, well, wrong
from gateway.operations.sealing_anew import unreadable_values

_APART_S = 5.0  # clocks of hosts that keep time are nearer than that


def configuration() -> Iterator[Finding]:
    """What the system checks say of the settings."""
    messages = run_checks(include_deployment_checks=False)
    for message in messages:
        make = wrong if message.level >= ERROR else odd
        yield make(f"{message.id}: {message.msg}", message.hint or "see docs/interfaces.md")
    if not messages:
        yield well("the settings are sound")


def versions() -> Iterator[Finding]:
    """Which versions run, and whether the database is as new as the code."""
    names = ("django", "litellm", "cryptography", "msgspec", "uvicorn", "celery")
    said = ", ".join(f"{name} {version(name)}" for name in names)
    yield well(f"Python {platform.python_version()}, {said}")
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        yield wrong(f"{len(plan)} migrations are not applied", "stop Sluice, run `make upgrade`")
    else:
        yield well("the database is as new as the code")


def database() -> Iterator[Finding]:
    """Whether it answers, takes writes, and keeps the same time."""
    began = time.monotonic()
    with transaction.atomic():
        ControlVersion.objects.filter(pk=1).update(version=F("version"))
    took_ms = (time.monotonic() - began) * 1000
    yield well(f"{connection.display_name} answers and takes writes ({took_ms:.0f} ms)")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            yield from _clock("the database's clock", float(cursor.fetchone()[0]))


def store() -> Iterator[Finding]:
    """Whether the shared store answers, and keeps the same time."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=5)
    try:
        seconds, micros = client.time()
    except redis.RedisError as error:
        yield wrong(
            f"the store does not answer ({type(error).__name__}): keys with limits are refused",
            "start Valkey or Redis, or see REDIS_URL",
        )
        return
    finally:
        client.close()
    yield well("the store answers")
    yield from _clock("the store's clock", seconds + micros / 1_000_000)


def clock() -> Iterator[Finding]:
    """Whether this host's clock runs on from where the audit stands."""
    seen, now = latest_time_seen(), timezone.now()
    if seen is not None and (seen - now).total_seconds() > _APART_S:
        yield wrong(
            f"the clock says {now:%Y-%m-%dT%H:%M:%SZ}, the audit has been at"
            f" {seen:%Y-%m-%dT%H:%M:%SZ}: it was set back",
            "correct the clock; until it has caught up, decisions are dated at the later time",
        )
    else:
        yield well("the clock runs on from where the audit stands")


def _clock(whose: str, there: float) -> Iterator[Finding]:
    apart = abs(there - datetime.now(UTC).timestamp())
    if apart > _APART_S:
        yield odd(f"{whose} is {apart:.0f} s apart from this host's", "keep both by NTP")
    else:
        yield well(f"{whose} agrees")


def secrets() -> Iterator[Finding]:
    """Whether everything that is sealed opens with the keys there are."""
    unreadable = unreadable_values()
    for place, count in unreadable.items():
        yield wrong(
            f"{count} values of {place} open with no key there is",
            "set SLUICE_KEY_ENCRYPTION_KEY to the key they were sealed with, or store them again",
        )
    if not unreadable:
        yield well("everything that is sealed opens")
