"""How fast texts are analysed. Run: `python -m bench.scan`.

Prints microseconds per typical request of 0.5 kB, MB/s for 100 kB of prose and of source code,
and for 1 MB of what every recognizer nearly matches; best and median of several rounds, of CPU
time, because other processes may share the machine.
"""

import statistics
import sys
import time
from collections.abc import Callable

from policies.classification.analyser import Analyser

ROUNDS = 15
PARAGRAPH = (
    "Could you please summarise the main differences between the two approaches to scheduling "
    "that we discussed in yesterday's meeting? A short list of pros and cons for each of them, "
    "and a recommendation at the end, would help. Keep it under 200 words (about 25% less than "
    "last time), and avoid jargon where you can. Thank you very much for the help!"
)
REQUEST = [
    "model",
    "auto",
    "messages",
    "role",
    "system",
    "content",
    "You are a helpful assistant that answers briefly and politely.",
    "role",
    "user",
    "content",
    PARAGRAPH,
    "temperature",
    "0.7",
    "max_tokens",
    "256",
]
CODE = """def total(items: list[Item]) -> Decimal:
    # Prices are in cents.
    result = Decimal(0)
    for item in items:
        if item.price is None:
            raise ValueError("no price")
        result += item.price * item.count
    return result

"""
GERMAN = (
    "Könnten Sie bitte die wichtigsten Unterschiede zwischen den beiden Ansätzen zusammenfassen, "
    "die wir gestern besprochen haben? „Kurz und bündig“ genügt völlig – danke schön! "  # noqa: RUF001
)
HOSTILE = {
    "digits": "1234567890 ",
    "e-mails": "a@b.c@",
    "addresses": "1.2.3.4.",
    "iban": "DE89370400440532013001 ",
    "hex pairs": "aa:bb:cc:",
    "base64": "QUJDREVGR0hJSktM/",
    "mrz": "P<<<<<<<",
    "keys": "sk-aaaaaaaaaaaaaaaaaa ",
    "escapes": "%41&amp;\\u0041",
}


def measure(run: Callable[[], object], calls: int) -> tuple[float, float]:
    """Seconds of CPU time per call: best and median of the rounds."""
    run()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(calls):
            run()
        times.append((time.process_time() - began) / calls)
    return min(times), statistics.median(times)


def main() -> None:
    """Print the table."""
    began = time.process_time()
    analyser = Analyser(budget_s=60)
    lines = [f"{'compile, once per process':34} {time.process_time() - began:9.3f} s"]
    best, median = measure(lambda: analyser.analyse(REQUEST), 2000)
    size = sum(len(text) for text in REQUEST)
    lines.append(
        f"{f'request, {size} bytes':34} {best * 1e6:9.1f} us  median {median * 1e6:.1f} us"
    )
    texts = {
        "prose, 100 kB": PARAGRAPH + "\n",
        "German prose, 100 kB": GERMAN,
        "source code, 100 kB": CODE,
    }
    for name, text in texts.items():
        long = [text * (100_000 // len(text))]
        weight = len(long[0].encode())
        best, median = measure(lambda: analyser.analyse(long), 5)  # noqa: B023 called at once
        lines.append(
            f"{name:34} {weight / best / 1e6:9.1f} MB/s  median {weight / median / 1e6:.1f} MB/s"
        )
    for name, text in HOSTILE.items():
        long = [text * (1_000_000 // len(text))]
        began = time.process_time()
        result = analyser.analyse(long)
        spent = time.process_time() - began
        lines.append(
            f"{f'hostile, 1 MB: {name}':34} {1 / spent:9.1f} MB/s  "
            f"{len(result.findings)} findings {' '.join(sorted(result.opaque))}"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
