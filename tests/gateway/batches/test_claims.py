"""Who works on a batch, and that a row is settled once, whoever dies or comes twice."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gateway.batches import claims, rows, services
from gateway.batches.claims import CLAIM_TIME, ClaimLost, claim, release
from gateway.batches.liveness import Presence, is_gone
from gateway.batches.models import Batch, RowState, Status
from gateway.batches.rows import Leased, Settled
from gateway.files.keys import project_key
from tests.gateway.batches.conftest import Office, lines, row


@pytest.fixture
def batch(office: Office) -> Batch:
    return office.begun(lines([row(f"r{n}") for n in range(3)]))


def leased(office: Office, batch: Batch) -> tuple[str, list[Leased]]:
    by, now = office.claim_name(), timezone.now()
    assert claim(batch.pk, by=by, statuses=rows.RUNNING, now=now)
    return by, rows.lease(batch.pk, by=by, limit=2, now=now)


def settle(office: Office, batch: Batch, row: Leased, result: bytes = b"{}") -> int:
    done = Settled(row=row, state=RowState.COMPLETED, result=result)
    return rows.settle(batch.pk, [done], key=project_key(office.project))


def test_a_claim_holds_while_it_is_renewed_and_its_process_lives(
    office: Office, batch: Batch
) -> None:
    by, now = office.claim_name(), timezone.now()
    assert claim(batch.pk, by=by, statuses=rows.RUNNING, now=now)
    other = office.claim_name()
    assert not claim(batch.pk, by=other, statuses=rows.RUNNING, now=now)
    rows.keep(batch.pk, [], by=by, now=now + CLAIM_TIME / 2)
    assert not claim(batch.pk, by=other, statuses=rows.RUNNING, now=now + CLAIM_TIME)
    assert claim(batch.pk, by=other, statuses=rows.RUNNING, now=now + 2 * CLAIM_TIME)
    with pytest.raises(ClaimLost):
        rows.keep(batch.pk, [], by=by, now=now)
    with pytest.raises(ClaimLost):
        rows.lease(batch.pk, by=by, limit=1, now=now)


def test_a_dead_process_is_known_at_once_and_its_rows_come_back_as_lost(
    office: Office, batch: Batch
) -> None:
    dead = Presence()
    by, now = claims.new_claim(dead.name), timezone.now()
    assert claim(batch.pk, by=by, statuses=rows.RUNNING, now=now)
    (taken,) = rows.lease(batch.pk, by=by, limit=1, now=now)
    assert not is_gone(dead.name)
    dead.end()
    assert is_gone(dead.name)
    assert claim(batch.pk, by=office.claim_name(), statuses=rows.RUNNING, now=now)
    found = batch.rows.get(pk=taken.id)
    assert (found.state, found.lost, found.tries) == (RowState.PENDING, True, 1)


def test_whoever_was_believed_dead_settles_nothing_twice(office: Office, batch: Batch) -> None:
    _, taken = leased(office, batch)
    later = timezone.now() + 2 * CLAIM_TIME
    other = office.claim_name()
    assert claim(batch.pk, by=other, statuses=rows.RUNNING, now=later)
    again = rows.lease(batch.pk, by=other, limit=3, now=later + timedelta(seconds=1))
    same = next(each for each in again if each.id == taken[0].id)
    assert same.attempt == 2
    assert settle(office, batch, taken[0]) == 0
    assert settle(office, batch, same) == 1
    assert settle(office, batch, same) == 0
    batch.refresh_from_db()
    assert batch.completed == 1


def test_a_row_whose_lease_ended_with_somebody_else_comes_back(
    office: Office, batch: Batch
) -> None:
    by, taken = leased(office, batch)
    now = timezone.now()
    batch.rows.filter(pk=taken[0].id).update(driver="elsewhere/1", lease_until=now)
    rows.keep(batch.pk, [], by=by, now=now)
    states = {each.pk: each.state for each in batch.rows.all()}
    assert states[taken[0].id] == RowState.PENDING
    assert states[taken[1].id] == RowState.LEASED


def test_a_cancelled_batch_gives_out_no_more_rows(office: Office, batch: Batch) -> None:
    by, taken = leased(office, batch)
    services.cancel_batch(office.principal, batch.pk)
    with pytest.raises(ClaimLost):
        rows.lease(batch.pk, by=by, limit=1, now=timezone.now())
    assert settle(office, batch, taken[0]) == 1  # what was under way is kept
    office.finalized(batch)  # does nothing while rows are under way
    assert Batch.objects.get(pk=batch.pk).status == Status.CANCELLING
    release(batch.pk, by=by)
    assert office.finalized(batch).status == Status.CANCELLED


def test_a_window_that_is_over_ends_the_batch_and_says_so_for_each_row(
    office: Office, batch: Batch
) -> None:
    by, taken = leased(office, batch)
    settle(office, batch, taken[0], b'{"id":"x"}')
    release(batch.pk, by=by)
    services.expire(batch.expires_at - timedelta(seconds=1))
    assert Batch.objects.get(pk=batch.pk).status == Status.IN_PROGRESS
    services.expire(batch.expires_at)
    ended = office.finalized(batch)
    assert ended.status == Status.EXPIRED
    assert ended.expired_at is not None
    assert (ended.completed, ended.failed) == (1, 2)
    assert {each.code for each in ended.rows.filter(state=RowState.FAILED)} == {"batch_expired"}


def test_asking_for_progress_reads_no_row(office: Office, batch: Batch) -> None:
    with CaptureQueriesContext(connection) as asked:
        services.get_batch(office.principal, batch.pk)
        services.list_batches(office.principal, limit=20)
    assert len(asked) == 4
    assert not any("batches_batchrow" in query["sql"] for query in asked)


def test_leasing_and_looking_for_what_is_left_use_an_index(office: Office, batch: Batch) -> None:
    with CaptureQueriesContext(connection) as asked:
        leased(office, batch)
        rows.unfinished(batch.pk)
    reads = [
        query["sql"]
        for query in asked
        if query["sql"].startswith("SELECT") and 'FROM "batches_batchrow"' in query["sql"]
    ]
    assert len(reads) == 2
    if connection.vendor == "sqlite":
        for sql in reads:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = " ".join(str(each) for each in cursor.fetchall())
            assert "batches_rows_due" in plan
            assert "SCAN" not in plan
