"""The private store: found, started on a unix socket, stopped, remembering."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.usage.store_server import (
    StoreServerUnavailable,
    answers,
    find_store_server,
    running_store,
    store_command,
)


def test_a_server_is_found() -> None:
    [program] = find_store_server()
    assert Path(program).name in {"valkey-server", "redis-server"}


def test_a_server_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_store_server() == [str(program)]
    (tmp_path / "valkey-server").symlink_to(program)
    assert find_store_server() == [str(tmp_path / "valkey-server")]


def test_a_server_answers_on_its_socket_alone_and_stops(short_path: Path) -> None:
    with running_store(short_path) as server:
        assert answers(server.socket_path)
        assert server.socket_path.stat().st_mode & 0o777 == 0o700

        async def port() -> object:
            async with Redis.from_url(server.url) as client:
                return (await client.config_get("port"))["port"]

        assert asyncio.run(port()) == "0"
    assert server.process.returncode == 0
    assert not answers(server.socket_path)


def test_a_killed_server_comes_back_with_what_it_knew(short_path: Path) -> None:
    async def run(url: str, *, write: bool) -> object:
        async with Redis.from_url(url) as client:
            return await (client.set("a", "b") if write else client.get("a"))

    with running_store(short_path) as server:
        asyncio.run(run(server.url, write=True))
        server.process.kill()
        server.process.wait()
    with running_store(short_path) as server:
        assert asyncio.run(run(server.url, write=False)) == b"b"


def test_a_socket_path_that_no_system_takes_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(StoreServerUnavailable, match="SLUICE_VAR"):
        store_command(tmp_path / ("x" * 100) / "valkey.sock", tmp_path)


def test_a_server_that_cannot_start_is_told(short_path: Path) -> None:
    with (
        pytest.raises(StoreServerUnavailable, match="ended at once"),
        running_store(short_path, socket_path=short_path / "missing" / "valkey.sock"),
    ):
        pass
