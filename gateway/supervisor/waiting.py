"""Waiting for what was just started, without blocking Ctrl-C."""

import socket
import threading
import time
import urllib.error
import urllib.request

import redis

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.05


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_http(url: str, stopping: threading.Event) -> bool:
    """True once `url` answers 200; False when told to stop or after a minute."""
    # Proxy variables must not send a loopback request elsewhere.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not stopping.wait(LOOK_EVERY_S):
        try:
            with opener.open(url, timeout=2) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            continue
    return False


def wait_for_store(url: str, stopping: threading.Event) -> bool:
    """True once the store answers PING; False when told to stop or after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    client = redis.Redis.from_url(url)
    try:
        while time.monotonic() < deadline and not stopping.wait(LOOK_EVERY_S):
            try:
                if client.ping():
                    return True
            except redis.RedisError:
                continue
        return False
    finally:
        client.close()
