"""What masking costs. Run: `python -m bench.masking`.

Prints microseconds of CPU for a prompt of 10 kB with ten findings: masking it (with the second
scan) and restoring a whole answer that quotes all of it; and CPU per chunk of a stream through the
whole path, without masking, with it, and their ratio. The model server runs in a process of its
own. Best and median of several rounds.
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.scan import PARAGRAPH, measure
from gateway.audit.journal import FileJournal
from gateway.inference.exchange import Inbound
from gateway.inference.label import label_request
from gateway.inference.masking import RequestMasking
from gateway.inference.path import Gateway
from gateway.protocol.requests import read_request
from gateway.protocol.restores import Restores
from gateway.protocol.restoring import AnswerRestorer
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Endpoint
from policies.engine.permit import MaskMode
from tests.gateway.inference.conftest import Gate, Snapshots, snapshot

FINDINGS = 10
CHUNKS = 2000
SLOW_CHUNKS = 150
PAUSE_S = 0.004
ROUNDS = 7
CLASSES = ("EMAIL_ADDRESS", "IBAN")
RULES = {"rules": [{"id": "m", "then": {"mask": [*CLASSES], "for": {"deployment": "claude"}}}]}
KEYS = {"llama": bytes(32), "claude": bytes([7]) * 32}
MODES = tuple((name, MaskMode.PLACEHOLDER) for name in CLASSES)


def prompt() -> str:
    """10 kB of prose with five e-mail addresses and five account numbers."""
    pieces = []
    for number in range(FINDINGS // 2):
        pieces += [PARAGRAPH] * 5
        pieces.append(f"Write to jane{number}.roe@clinic.example, pay to DE89370400440532013000.")
    return " ".join(pieces)[:10_240]


def whole_prompt() -> list[str]:
    """Masking and restoring outside of any server."""
    body = {"model": "vendor", "messages": [{"role": "user", "content": prompt()}]}
    request = read_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())
    made = snapshot("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1", RULES, KEYS)
    view, principal = made.projects["lab"], made.keys[b""]
    labelled = label_request(request, view=view, principal=principal)
    assert sum(labelled.data_classes.values()) == FINDINGS, labelled.data_classes  # noqa: S101
    masking = RequestMasking(request, labelled, view)

    def mask() -> Any:
        made_now = RequestMasking(request, labelled, view)
        made_now(deployment="claude", modes=MODES)
        return made_now

    masking(deployment="claude", modes=MODES)
    (masked,) = masking._made.values()
    said = masked.outgoing.request.tree["messages"][0]["content"]
    answer = json.dumps({"choices": [{"index": 0, "message": {"content": said}}]}).encode()
    minted = masked.outgoing.minted or {}
    lines = []
    total = 0.0
    for name, run in (
        ("mask 10 kB, 10 findings", mask),
        ("restore 10 kB", lambda: AnswerRestorer(minted, Restores.EVERYTHING).whole(answer)),
    ):
        best, median = measure(run, 50)
        total += best
        lines.append(f"{name:40} {best * 1e6:9.1f} us  median {median * 1e6:.1f} us")
    lines.append(f"{'masking and restoring together':40} {total * 1e6:9.1f} us  (at most 500)")
    return lines


def _events(asked: str) -> list[bytes]:
    """A long stream that quotes what it was asked, three words a chunk."""
    words = asked.split(" ")
    events = []
    for number in range(CHUNKS):
        at = number * 3 % len(words)
        text = " ".join(words[at : at + 3]) + " "
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        tree = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
        events.append(b"data: " + json.dumps(tree).encode() + b"\n\n")
    return events


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, one stream; below `/slowly` with a pause after each chunk."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    body = json.loads(await reader.readexactly(length))
    slowly = head.startswith(b"POST /slowly")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    for event in _events(body["messages"][-1]["content"])[: SLOW_CHUNKS if slowly else CHUNKS]:
        writer.write(event)
        if slowly:
            await writer.drain()
            await asyncio.sleep(PAUSE_S)
    writer.write(b"data: [DONE]\n\n")
    await writer.drain()
    writer.close()


def _serve(ready: Connection) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def upstream() -> Iterator[int]:
    """A model server in a process of its own; its port on the loopback."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        process.kill()
        process.join()


async def _streams(url: str, rules: dict[str, Any], chunks: int) -> list[float]:
    """CPU seconds of this thread per chunk, one figure a round."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        journal, snapshots = FileJournal(Path(folder)), Snapshots()
        snapshots.snapshot = snapshot(url, url, rules, KEYS)
        provider = OpenAICompatible()
        gateway = Gateway(
            snapshots=snapshots,
            journal=journal,
            budget=Gate(),
            providers={"openai_compatible": provider},
        )
        alias = "vendor" if rules else "private"
        body = {
            "model": alias,
            "stream": True,
            "messages": [{"role": "user", "content": prompt()}],
        }
        inbound = Inbound(
            principal=snapshots.snapshot.keys[b""],
            endpoint=Endpoint.CHAT_COMPLETIONS,
            body=json.dumps(body).encode(),
            request_id="req_1",
        )
        found = []
        for _ in range(ROUNDS):
            reply = await gateway.run(inbound)
            began = time.thread_time()
            async for _chunk in reply.chunks:
                pass
            found.append((time.thread_time() - began) / chunks)
            await reply.aclose()
        await provider.aclose()
        journal.close()
    return found


def main() -> None:
    """Print the table."""
    lines = whole_prompt()
    with upstream() as port:
        for how, path, chunks in (
            ("at once", "v1", CHUNKS),
            (f"{PAUSE_S * 1000:.0f} ms apart", "slowly/v1", SLOW_CHUNKS),
        ):
            url = f"http://127.0.0.1:{port}/{path}"
            plain = asyncio.run(_streams(url, {}, chunks))
            masked = asyncio.run(_streams(url, RULES, chunks))
            for name, found in (("as it comes", plain), ("with restoring", masked)):
                best, median = min(found), statistics.median(found)
                title = f"stream {how}, {name}"
                lines.append(f"{title:40} {best * 1e6:9.2f} us  median {median * 1e6:.2f} us")
            ratio = statistics.median(masked) / statistics.median(plain)
            lines.append(f"{f'stream {how}, ratio':40} {ratio:9.2f}     (at most 1.5)")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
