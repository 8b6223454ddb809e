"""One gateway through every phase: what was sent, what it cost, how long it took.

A phase's CPU is the difference of two readings of the operating system's accounting, taken
between connecting and the first request, and after the last answer. Where there is an audit, the
loader is waited for after each phase, and its CPU and the store's belong to that phase.
"""

import asyncio
from dataclasses import dataclass, field

from bench.accounting import cpu_seconds, resident_bytes
from bench.gateways import Running
from bench.load import Load, Sample, percentile, run_load
from bench.wire import MODEL, SLOW_MODEL

FEW_CHUNKS = 10
MANY_CHUNKS = {"stream-0ms": 210, "stream-10ms": 110}
_AUDIT_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A named load. `share` scales the time each phase gets."""

    name: str
    clients: int
    prompt_chars: int = 400
    chunks: int = 0
    model: str = MODEL
    share: float = 1.0

    def load(self, seconds: float) -> Load:
        """The load, when a phase of share 1 lasts `seconds`."""
        return Load(
            clients=self.clients,
            seconds=seconds * self.share,
            prompt_chars=self.prompt_chars,
            chunks=self.chunks,
            model=self.model,
        )


PHASES = (
    Phase("1 client", 1, share=0.5),
    Phase("32 clients", 32),
    Phase("128 clients", 128),
    Phase("100 kB", 32, prompt_chars=100_000),
    Phase("first chunk", 1, chunks=2, share=0.5),
    Phase("stream-0ms few", 32, chunks=FEW_CHUNKS),
    Phase("stream-0ms many", 32, chunks=MANY_CHUNKS["stream-0ms"]),
    Phase("stream-10ms few", 128, chunks=FEW_CHUNKS, model=SLOW_MODEL),
    Phase("stream-10ms many", 128, chunks=MANY_CHUNKS["stream-10ms"], model=SLOW_MODEL),
)
_WARM_UP = Phase("warm-up", 32, share=0.4)


@dataclass(slots=True, kw_only=True)
class PhaseResult:
    """One phase of one round. CPU in microseconds per request, by role of the process."""

    sent: int
    correct: int
    lost: int
    errors: dict[str, int]
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    first_chunk_p50_ms: float
    first_chunk_p99_ms: float
    cpu_us: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class GatewayResult:
    """One round of one gateway. `decisions` is None where there is no audit."""

    gateway: str
    cold_start_s: float | None
    phases: dict[str, PhaseResult]
    resident_mb: dict[str, float]  # by role, at the end
    sent: int
    decisions: int | None


class _Meter:
    """CPU seconds per role since the last start."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._before: dict[str, float] = {}

    def start(self) -> None:
        self._before = self._read()

    def since_start(self, roles: set[str]) -> dict[str, float]:
        now = self._read()
        return {role: now[role] - self._before[role] for role in roles}

    def _read(self) -> dict[str, float]:
        return {role: cpu_seconds(child.pid) for role, child in self._running.children.items()}


async def measure(name: str, running: Running, *, seconds: float) -> GatewayResult:
    """Warm up, then every phase in turn, each of about `seconds`."""
    meter = _Meter(running)
    roles = set(running.children)
    sent = running.answered_at_start
    decisions: int | None = None
    phases: dict[str, PhaseResult] = {}
    for phase in (_WARM_UP, *PHASES):
        sample = await run_load(running.target, phase.load(seconds), meter.start)
        cpu_s = meter.since_start(roles & {"web"})
        sent += sample.sent
        if running.count_decisions is not None:
            decisions = await _audited(running, sent)
        cpu_s |= meter.since_start(roles - {"web"})
        if phase is not _WARM_UP or sample.errors or sample.lost:
            phases[phase.name] = _result(sample, cpu_s)
    return GatewayResult(
        gateway=name,
        cold_start_s=running.cold_start_s,
        phases=phases,
        resident_mb={
            role: resident_bytes(child.pid) / 1e6 for role, child in running.children.items()
        },
        sent=sent,
        decisions=decisions,
    )


def _result(sample: Sample, cpu_s: dict[str, float]) -> PhaseResult:
    answered = max(sample.correct + sum(sample.errors.values()), 1)
    return PhaseResult(
        sent=sample.sent,
        correct=sample.correct,
        lost=sample.lost,
        errors=dict(sample.errors),
        requests_per_s=sample.correct / sample.elapsed_s,
        p50_ms=percentile(sample.latencies, 0.50) * 1e3,
        p99_ms=percentile(sample.latencies, 0.99) * 1e3,
        first_chunk_p50_ms=percentile(sample.first_chunks, 0.50) * 1e3,
        first_chunk_p99_ms=percentile(sample.first_chunks, 0.99) * 1e3,
        cpu_us={role: spent / answered * 1e6 for role, spent in cpu_s.items()},
    )


async def _audited(running: Running, sent: int) -> int:
    """The number of decisions, once it has reached `sent` or the time to wait is over."""
    count_now = running.count_decisions
    if count_now is None:
        return 0
    deadline = asyncio.get_running_loop().time() + _AUDIT_WAIT_S
    while (count := count_now()) < sent:
        if asyncio.get_running_loop().time() >= deadline:
            break
        await asyncio.sleep(0.1)
    return count
