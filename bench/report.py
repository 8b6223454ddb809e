"""The table: medians over the rounds, a column per gateway, ratios beside them."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measure import FEW_CHUNKS, MANY_CHUNKS, GatewayResult, PhaseResult

Value = float | None
SLUICE = "sluice"
SLUICE_ALL = "sluice-all"
SLUICE_MASKED = "sluice-masked"
_OURS = {SLUICE, SLUICE_ALL, SLUICE_MASKED}
LITELLM = "litellm"
NGINX = "nginx"
MAX_REQUEST_US = 300.0
MAX_CHUNK_US = 10.0
MIN_TIMES_LITELLM = 30.0
MAX_TIMES_RESTORING = 1.5


@dataclass(frozen=True, slots=True)
class _Row:
    title: str
    read: Callable[[GatewayResult], Value]
    digits: int = 0
    compared: bool = True


def _phase(name: str, read: Callable[[PhaseResult], Value]) -> Callable[[GatewayResult], Value]:
    def value(result: GatewayResult) -> Value:
        phase = result.phases.get(name)
        return None if phase is None else read(phase)

    return value


def _web_us(phase: PhaseResult) -> Value:
    return phase.cpu_us.get("web")


def _all_us(phase: PhaseResult) -> Value:
    return sum(phase.cpu_us.values()) if phase.cpu_us else None


def _role_us(role: str) -> Callable[[PhaseResult], Value]:
    return lambda phase: phase.cpu_us.get(role)


def _per_cpu_second(read: Callable[[PhaseResult], Value]) -> Callable[[PhaseResult], Value]:
    def value(phase: PhaseResult) -> Value:
        spent = read(phase)
        return 1e6 / spent if spent else None

    return value


def _chunk_us(stream: str) -> Callable[[GatewayResult], Value]:
    """CPU of one more chunk: the difference of long and short streams over that of lengths."""

    def value(result: GatewayResult) -> Value:
        few = result.phases[f"{stream} few"].cpu_us.get("web")
        many = result.phases[f"{stream} many"].cpu_us.get("web")
        if few is None or many is None:
            return None
        return (many - few) / (MANY_CHUNKS[stream] - FEW_CHUNKS)

    return value


def _wrong(result: GatewayResult) -> Value:
    return sum(phase.lost + sum(phase.errors.values()) for phase in result.phases.values())


_ROWS = (
    _Row("CPU µs per request, 0.5 kB, 32 clients (serving process)", _phase("32 clients", _web_us)),
    _Row("… audit loader", _phase("32 clients", _role_us("loader"))),
    _Row("… lease store", _phase("32 clients", _role_us("store")), digits=1),
    _Row("… all processes", _phase("32 clients", _all_us)),
    _Row("CPU µs per request, 0.5 kB, 1 client", _phase("1 client", _web_us)),
    _Row("CPU µs per request, 0.5 kB, 128 clients", _phase("128 clients", _web_us)),
    _Row("CPU µs per request, 100 kB, 32 clients", _phase("100 kB", _web_us)),
    _Row("CPU µs per streamed chunk, 0 ms apart", _chunk_us("stream-0ms"), digits=1),
    _Row("CPU µs per streamed chunk, 10 ms apart", _chunk_us("stream-10ms"), digits=1),
    _Row(
        "Requests per CPU second (serving process)",
        _phase("32 clients", _per_cpu_second(_web_us)),
    ),
    _Row("Requests per CPU second (all processes)", _phase("32 clients", _per_cpu_second(_all_us))),
    _Row("Requests/s, 32 clients", _phase("32 clients", lambda p: p.requests_per_s)),
    _Row("Requests/s, 128 clients", _phase("128 clients", lambda p: p.requests_per_s)),
    _Row("p50 ms, 1 client", _phase("1 client", lambda p: p.p50_ms), digits=2),
    _Row("p99 ms, 1 client", _phase("1 client", lambda p: p.p99_ms), digits=2),
    _Row("p50 ms, 32 clients", _phase("32 clients", lambda p: p.p50_ms), digits=2),
    _Row("p99 ms, 32 clients", _phase("32 clients", lambda p: p.p99_ms), digits=2),
    _Row("p50 ms, 128 clients", _phase("128 clients", lambda p: p.p50_ms), digits=2),
    _Row("p99 ms, 128 clients", _phase("128 clients", lambda p: p.p99_ms), digits=2),
    _Row("p50 ms, 100 kB, 32 clients", _phase("100 kB", lambda p: p.p50_ms), digits=2),
    _Row("p99 ms, 100 kB, 32 clients", _phase("100 kB", lambda p: p.p99_ms), digits=2),
    _Row(
        "First chunk p50 ms, 1 client",
        _phase("first chunk", lambda p: p.first_chunk_p50_ms),
        digits=2,
    ),
    _Row(
        "First chunk p99 ms, 1 client",
        _phase("first chunk", lambda p: p.first_chunk_p99_ms),
        digits=2,
    ),
    _Row(
        "First chunk p50 ms, 128 clients, 10 ms upstream",
        _phase("stream-10ms many", lambda p: p.first_chunk_p50_ms),
        digits=2,
    ),
    _Row("Resident memory MB (serving process)", lambda r: r.resident_mb.get("web")),
    _Row(
        "Resident memory MB (all processes)",
        lambda r: sum(r.resident_mb.values()) if r.resident_mb else None,
    ),
    _Row("Cold start s, to the first answer", lambda r: r.cold_start_s, digits=2),
    _Row("Requests sent, all phases", lambda r: r.sent, compared=False),
    _Row("Wrong or lost", _wrong, compared=False),
    _Row("Audit decisions", lambda r: r.decisions, compared=False),
)
# column heading, numerator, denominator
_RATIOS = (
    ("masked ÷ Sluice", SLUICE_MASKED, SLUICE),
    ("Sluice ÷ direct", SLUICE, "direct"),
    ("Sluice ÷ nginx", SLUICE, NGINX),
    ("Sluice ÷ LiteLLM", SLUICE, LITELLM),
    ("LiteLLM ÷ Sluice", LITELLM, SLUICE),
)


def _median(row: _Row, rounds: Sequence[GatewayResult]) -> Value:
    values = [value for result in rounds if (value := row.read(result)) is not None]
    values = [value for value in values if not math.isnan(value)]
    return statistics.median(values) if values else None


def _total(row: _Row, rounds: Sequence[GatewayResult]) -> Value:
    values = [value for result in rounds if (value := row.read(result)) is not None]
    return sum(values) if values else None


def _text(value: Value, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def table(results: dict[str, list[GatewayResult]]) -> str:
    """Markdown. Medians over the rounds; counts are sums. Ratios are of the medians."""
    names = list(results)
    ratios = [ratio for ratio in _RATIOS if ratio[1] in results and ratio[2] in results]
    heads = ["", *names, *(head for head, _, _ in ratios)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in _ROWS:
        combine = _median if row.compared else _total
        values = {name: combine(row, rounds) for name, rounds in results.items()}
        if all(value is None for value in values.values()):
            continue
        cells = [row.title, *(_text(values[name], row.digits) for name in names)]
        for _, top, bottom in ratios:
            over, under = values[top], values[bottom]
            known = row.compared and over is not None and under
            cells.append(f"{(over or 0) / under:.2f}" if known and under else "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of the promises, and what was measured. `must` ones fail the run."""

    text: str
    holds: bool
    must: bool


def verdicts(results: dict[str, list[GatewayResult]]) -> list[Verdict]:
    """Correctness of everybody, and Sluice's promises as far as they were measured."""
    found = []
    for name, rounds in results.items():
        wrong = sum(int(_wrong(result) or 0) for result in rounds)
        text = f"{name}: {wrong} wrong or lost of {sum(r.sent for r in rounds):,}"
        found.append(Verdict(text, wrong == 0, must=name in _OURS))
    for name in (known for known in results if known in _OURS):
        rounds = results[name]
        sent, decided = sum(r.sent for r in rounds), sum(r.decisions or 0 for r in rounds)
        text = f"{name}: audit holds {decided:,} decisions for {sent:,} requests"
        found.append(Verdict(text, sent == decided, must=True))
    return found + _speed(results)


def _speed(results: dict[str, list[GatewayResult]]) -> list[Verdict]:
    found = []
    rounds = results.get(SLUICE, [])
    request_us = _median(_Row("", _phase("32 clients", _web_us)), rounds)
    if request_us is not None:
        text = f"{request_us:.0f} µs per request, at most {MAX_REQUEST_US:.0f}"
        found.append(Verdict(text, request_us <= MAX_REQUEST_US, must=False))
    for stream in MANY_CHUNKS:
        chunk_us = _median(_Row("", _chunk_us(stream)), rounds)
        if chunk_us is not None:
            text = f"{chunk_us:.1f} µs per chunk ({stream}), at most {MAX_CHUNK_US:.0f}"
            found.append(Verdict(text, chunk_us <= MAX_CHUNK_US, must=False))
        restored_us = _median(_Row("", _chunk_us(stream)), results.get(SLUICE_MASKED, []))
        if chunk_us and restored_us is not None:
            times = restored_us / chunk_us
            text = f"a chunk with restoring costs {times:.2f} times one without ({stream})"
            text += f", at most {MAX_TIMES_RESTORING}"
            found.append(Verdict(text, times <= MAX_TIMES_RESTORING, must=False))
    litellm_us = _median(_Row("", _phase("32 clients", _web_us)), results.get(LITELLM, []))
    all_us = _median(_Row("", _phase("32 clients", _all_us)), rounds)
    for what, spent in (("serving process", request_us), ("all processes", all_us)):
        if litellm_us and spent:
            times = litellm_us / spent
            text = f"{times:.1f} times LiteLLM's requests per CPU second ({what}), at least 30"
            found.append(Verdict(text, times >= MIN_TIMES_LITELLM, must=False))
    return found
