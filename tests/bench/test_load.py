"""The load generator counts what is right as right, and what is not as wrong or lost."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench import wire
from bench.accounting import cpu_seconds, resident_bytes
from bench.children import Child, ChildFailed, free_port, listening
from bench.gateways import start_upstream
from bench.load import Load, Sample, Target, percentile, run_load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench runs on Linux")

SECONDS = 30.0  # never reached: each load here ends by its count
Rewrite = Callable[[bytes], bytes]


@asynccontextmanager
async def _upstream(folder: Path) -> AsyncIterator[int]:
    child, port = await start_upstream(folder, core=0, python=sys.executable)
    try:
        yield port
    finally:
        child.stop()


@asynccontextmanager
async def _spoiled(port: int, rewrite: Rewrite) -> AsyncIterator[int]:
    """Passes everything on to `port`; `rewrite` sees each piece of the answers, b"" cuts."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, how: Rewrite) -> None:
        try:
            while data := how(await source.read(65536)):
                sink.write(data)
        finally:
            sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            pump(reader, upstream_writer, lambda data: data),
            pump(upstream_reader, writer, rewrite),
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _run(folder: Path, load: Load, rewrite: Rewrite | None = None) -> Sample:
    async def run() -> Sample:
        async with _upstream(folder) as port:
            if rewrite is None:
                return await run_load(Target(port=port), load)
            async with _spoiled(port, rewrite) as spoiled:
                return await run_load(Target(port=spoiled), load)

    return asyncio.run(run())


def test_every_answer_of_a_sound_upstream_is_correct(tmp_path: Path) -> None:
    sample = _run(tmp_path, Load(clients=4, seconds=SECONDS, requests=200))
    assert (sample.sent, sample.correct, sample.lost) == (200, 200, 0)
    assert not sample.errors
    assert len(sample.latencies) == 200


@pytest.mark.parametrize("model", [wire.MODEL, wire.SLOW_MODEL])
def test_every_chunk_of_a_sound_stream_arrives(tmp_path: Path, model: str) -> None:
    load = Load(clients=3, seconds=SECONDS, requests=9, chunks=12, model=model)
    sample = _run(tmp_path, load)
    assert (sample.correct, sample.lost, dict(sample.errors)) == (9, 0, {})
    assert len(sample.first_chunks) == 9


def test_an_answer_to_somebody_else_is_wrong(tmp_path: Path) -> None:
    sample = _run(
        tmp_path,
        Load(clients=1, seconds=SECONDS, requests=5),
        lambda data: data.replace(b"echo bbbb", b"echo cccc"),
    )
    assert (sample.correct, dict(sample.errors)) == (0, {"wrong text": 5})


def test_a_stream_that_lacks_a_word_is_wrong(tmp_path: Path) -> None:
    sample = _run(
        tmp_path,
        Load(clients=1, seconds=SECONDS, requests=2, chunks=12),
        lambda data: data.replace(b'"hills "', b'"halls "'),
    )
    assert (sample.correct, dict(sample.errors)) == (0, {"wrong text": 2})


def test_an_error_status_is_counted_by_its_number(tmp_path: Path) -> None:
    sample = _run(
        tmp_path,
        Load(clients=2, seconds=SECONDS, requests=6),
        lambda data: data.replace(b"200 OK", b"503 No"),
    )
    assert (sample.correct, dict(sample.errors)) == (0, {"status 503": 6})


def test_a_connection_that_breaks_is_lost(tmp_path: Path) -> None:
    sample = _run(
        tmp_path,
        Load(clients=2, seconds=SECONDS, requests=50, chunks=12, model=wire.SLOW_MODEL),
        lambda data: b"" if b'"meet "' in data else data,
    )
    assert (sample.correct, sample.lost) == (0, 2)


def test_tags_differ_and_have_no_digits() -> None:
    next_tag = wire.tags()
    made = {next_tag() for _ in range(2000)}
    assert len(made) == 2000
    assert all(tag.isalpha() and len(tag) == wire.TAG_LENGTH for tag in made)


def test_percentiles_of_known_values() -> None:
    values = [float(number) for number in range(100)]
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile([], 0.5) != percentile([], 0.5)


def test_cpu_of_a_child_is_counted_and_survives_its_own_children(tmp_path: Path) -> None:
    port = free_port()
    script = (
        "import socket, subprocess, sys\n"
        "spin = 'sum(range(4_000_000))'\n"
        "subprocess.run([sys.executable, '-c', spin])\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "sys.stdin.read()\n"
        "while True: listener.accept()\n"
    )
    child = Child(
        [sys.executable, "-c", script, str(port)], core=0, log=tmp_path / "log", cwd=tmp_path
    )
    try:
        asyncio.run(listening(child, port, timeout_s=20))
        alone = cpu_seconds(child.pid)
        assert alone > 0.05
        assert resident_bytes(child.pid) > 1_000_000
    finally:
        child.stop()
    assert cpu_seconds(child.pid) == 0.0


def test_a_child_that_ends_at_once_is_reported_with_its_log(tmp_path: Path) -> None:
    child = Child(
        [sys.executable, "-c", "raise SystemExit(3)"], core=0, log=tmp_path / "log", cwd=tmp_path
    )
    with pytest.raises(ChildFailed, match="ended before it served"):
        asyncio.run(listening(child, free_port(), timeout_s=20))
    child.stop()
