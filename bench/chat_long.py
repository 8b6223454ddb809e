"""Long conversations: how soon one of 2,000 messages opens, and whether a long reply slows down.

    python -m bench.chat_long [MESSAGES] [CHUNKS]

A real Sluice. The conversation has tables, code and formulas in it; it is opened over HTTP and,
where Debian's Chromium is there, in a browser, from the click to the page's load. A reply of 20,000
chunks is watched by five people: how late chunks are and what they cost, its first fifth beside its
last. Fails (status 1) when an opening takes a second, a chunk is missing, or the last fifth costs
1.5 times the first.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.accounting import cpu_seconds
from bench.chat_house import House, Person, house
from bench.chat_viewers import Clock, watch

OPENS, OPEN_LIMIT_S = 5, 1.0
VIEWERS, EVERY_S, SLOWER_AT_MOST = 5, 0.002, 1.5
FIFTHS = 5
CHROMIUM = Path("/usr/bin/chromium")
_SEED = '''
from gateway.accounts.models import Project, User
from gateway.chat.conversations import Wanted, create_conversation
from gateway.chat.messages import ask, finish
from gateway.chat.models import State
from gateway.chat.receipts import Receipt
from gateway.chat.sealing import Seal
ANSWER = """Here is number {{}}.

| Ward | Patients | Rate |
|---|---:|---:|
| Cardiology | 412 | 9.0 % |
| Oncology | 198 | 5.6 % |

```python
low, high = proportion_confint(96, 915, method="wilson")
print(low, high)
```

The pooled rate is $p = \\\\frac{{{{96}}}}{{{{915}}}}$, and **that** holds for all of them.
"""
user, project = User.objects.order_by("created_at").first(), Project.objects.get(slug="demo")
made = create_conversation(user, project, Wanted(model="clock", title="A long talk"))
seal, last = Seal(made), None
for number in range({exchanges}):
    found = ask(user, made.pk, f"What of number {{number}}?", model="clock", parent=last)
    last, text = found.reply.pk, ANSWER.format(number)
    finish(last, seal, state=State.DONE, text=text, receipt=Receipt(), passes_on={{}})
open({place!r}, "w").write(made.pk)
'''


def seed(running: House, messages: int) -> str:
    """A conversation of so many messages, made by the chat's own services; returns its id."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "id"
        script = _SEED.format(exchanges=messages // 2, place=str(place))
        running.manage("shell", "-c", script)
        return place.read_text()


def open_over_http(person: Person, conversation: str) -> tuple[list[float], int]:
    """Seconds of each opening, the first of which makes the HTML of what is shown; and bytes."""
    took, size = [], 0
    for _ in range(OPENS):
        began = time.perf_counter()
        status, page = person.call("GET", f"/c/{conversation}/")
        took.append(time.perf_counter() - began)
        size = len(page)
        if status != 200:
            raise SystemExit(f"the conversation did not open ({status})")
    return took, size


def open_in_a_browser(running: House, conversation: str) -> list[float]:
    """Seconds from the click to the load event; empty where there is no browser."""
    if not CHROMIUM.exists():
        return []
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- not everywhere

    origin = f"http://127.0.0.1:{running.port}"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies(
            [
                {"name": name, "value": value, "url": origin}
                for name, value in running.person.cookies.items()
            ]
        )
        page = context.new_page()
        took = []
        for _ in range(OPENS):
            page.goto(f"{origin}/shortcuts/")
            page.goto(f"{origin}/c/{conversation}/", wait_until="load")
            script = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            took.append(float(page.evaluate(script)) / 1000)
        browser.close()
    return took


async def stream(running: House, clock: Clock) -> tuple[list[dict[int, float]], list[float]]:
    """Watch one reply to its end: how late each chunk was for each viewer, and the CPU seconds of
    Sluice's processes in each fifth."""
    conversation = await asyncio.to_thread(running.person.ask, "What time is it?")
    seen: list[dict[int, float]] = [{} for _ in range(VIEWERS)]
    tasks = [
        asyncio.create_task(watch(running.port, running.person.cookie, conversation, each))
        for each in seen
    ]
    marks = [cpu_seconds(running.pid)]
    for fifth in range(1, FIFTHS + 1):
        while len(clock.written) < clock.chunks * fifth // FIFTHS:  # noqa: ASYNC110 - a count
            await asyncio.sleep(0.05)
        marks.append(cpu_seconds(running.pid))
    await asyncio.sleep(2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen, [after - before for before, after in itertools.pairwise(marks)]


def report(
    opened: dict[str, list[float]], seen: list[dict[int, float]], cpu: list[float], chunks: int
) -> int:
    """Print what was found. Returns the exit status."""
    holds = True
    for how, took in opened.items():
        holds &= max(took) < OPEN_LIMIT_S
        sys.stdout.write(
            f"opened {how}: first {took[0] * 1000:.0f} ms, then "
            f"{statistics.median(took[1:]) * 1000:.0f} ms\n"
        )
    missing = sum(chunks - len(each) for each in seen)
    part = chunks // FIFTHS
    ends = {"first": range(1, part), "last": range(chunks - part, chunks)}
    late = {
        name: statistics.median(
            [each[number] for each in seen for number in numbers if number in each] or [0.0]
        )
        for name, numbers in ends.items()
    }
    slower = cpu[-1] / cpu[0]
    holds &= missing == 0 and slower < SLOWER_AT_MOST
    sys.stdout.write(
        f"{chunks} chunks: {missing} missing; median {late['first'] * 1000:.0f} ms late in the "
        f"first fifth, {late['last'] * 1000:.0f} in the last; CPU of the last fifth "
        f"{slower:.2f} times the first's ({cpu[0] / part * 1e6:.0f} and "
        f"{cpu[-1] / part * 1e6:.0f} µs a chunk)\n"
    )
    return 0 if holds else 1


async def main(messages: int, chunks: int) -> int:
    """Start everything, measure, stop everything."""
    clock = Clock(600.0, every_s=EVERY_S, chunks=chunks)
    server = await asyncio.start_server(clock.answer, "127.0.0.1", 0)
    try:
        async with house(server.sockets[0].getsockname()[1]) as running:
            conversation = await asyncio.to_thread(seed, running, messages)
            took, size = await asyncio.to_thread(open_over_http, running.person, conversation)
            sys.stdout.write(f"{messages} messages; the page has {size // 1024} KiB\n")
            opened = {"over HTTP": took}
            if found := await asyncio.to_thread(open_in_a_browser, running, conversation):
                opened["in a browser"] = found
            return report(opened, *await stream(running, clock), chunks)
    finally:
        server.close()


if __name__ == "__main__":
    wanted = [*sys.argv[1:], *("2000", "20000")[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(main(int(wanted[0]), int(wanted[1]))))
