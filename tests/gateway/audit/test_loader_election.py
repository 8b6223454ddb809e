"""Who loads a journal directory: one process at a time, and nobody who lost the lease."""

import threading
from pathlib import Path
from types import ModuleType

import pytest
from typing_extensions import override

from gateway.audit.journal import FileJournal
from gateway.audit.lease import Lease, LeaseLost
from gateway.audit.loader import Loader, run
from gateway.audit.models import LoaderLease, RequestRecord

pytestmark = pytest.mark.django_db


def test_only_one_process_of_a_host_loads(directory: Path, loader: Loader) -> None:
    assert not Lease(directory).acquire()
    loader.lease.release()
    other = Lease(directory)
    assert other.acquire()
    other.release()


def test_a_loader_of_another_host_is_waited_for_until_its_lease_ends(
    directory: Path, loader: Loader
) -> None:
    loader.lease.release()
    LoaderLease.objects.update(host="elsewhere")
    other = Lease(directory)
    assert not other.acquire()
    LoaderLease.objects.update(expires_at="2020-01-01T00:00:00Z")
    assert other.acquire()
    other.release()


def test_a_loader_that_lost_its_lease_stores_nothing(
    loader: Loader, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    LoaderLease.objects.update(fence=99, holder="another")
    with pytest.raises(LeaseLost):
        loader.step()
    assert not RequestRecord.objects.exists()
    assert not loader.lease.held
    assert loader.lease.acquire()
    assert loader.load() == 1


class OnePass(threading.Event):
    """Set by the first wait."""

    @override
    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def test_run_becomes_the_loader_loads_and_lets_go_when_told_to_stop(
    directory: Path, journal: FileJournal, writing: ModuleType
) -> None:
    journal.append(writing.decision(1))
    run(directory, stop=OnePass())
    assert RequestRecord.objects.count() == 1
    next_one = Lease(directory)
    assert next_one.acquire()
    next_one.release()
