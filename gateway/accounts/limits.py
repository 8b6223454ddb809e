"""How much a project may store and have run, and for how long its files are kept."""

from dataclasses import dataclass, fields

from gateway.accounts.models import Project, ProjectLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A project's limits; the defaults are those of a project that was given none."""

    file_bytes: int = 512 * 1024**2  # of one file; OpenAI's own limit
    stored_bytes: int = 10 * 1024**3
    stored_files: int = 10_000
    retention_days: int | None = None  # of every stored file; None: until deleted or expired
    batch_rows: int = 100_000
    active_batches: int = 20  # unfinished at once


NAMES = tuple(field.name for field in fields(Limits))


def highest(name: str) -> int:
    """The largest value of a limit: a century, or what a database holds with room to add."""
    return 36_500 if name == "retention_days" else 10**15


def limits_of(project: Project) -> Limits:
    """The project's limits. One query."""
    row = ProjectLimits.objects.filter(project=project).first()
    return limits_in(row) if row is not None else Limits()


def limits_in(row: ProjectLimits) -> Limits:
    """A row's limits, the defaults where it has none."""
    stated = {name: getattr(row, name) for name in NAMES}
    return Limits(**{name: value for name, value in stated.items() if value is not None})


def as_stated(limits: Limits) -> dict[str, int]:
    """Those that are not the defaults."""
    plain = Limits()
    return {
        name: getattr(limits, name)
        for name in NAMES
        if getattr(limits, name) != getattr(plain, name)
    }
