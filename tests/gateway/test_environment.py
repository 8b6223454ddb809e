"""A variable that makes no sense is named in one line, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WRONG = [
    ("PORT", "abc", "a whole number from 1 to 65535"),
    ("PORT", "80000", "a whole number from 1 to 65535"),
    ("SLUICE_MAX_BODY_BYTES", "20MB", "a whole number"),
    ("SLUICE_ON_PREM_NETWORKS", "10.0.0.0/33", "Write networks such as"),
    ("SLUICE_LOG_LEVEL", "chatty", "use DEBUG, INFO"),
    ("SLUICE_VAR", "/dev/null/var", "cannot be made"),
]


@pytest.mark.parametrize(("name", "value", "advice"), WRONG)
def test_it_says_which_variable_is_wrong(
    tmp_path: Path, name: str, value: str, advice: str
) -> None:
    env = {**os.environ, "SLUICE_VAR": str(tmp_path), name: value}
    done = subprocess.run(
        [sys.executable, "-c", "import gateway.settings"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Sluice does not start: {name} is ")
    assert advice in line


def settled(place: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `code` after the settings were read with these variables."""
    env = {**os.environ, "SLUICE_VAR": str(place), **variables}
    for name in ("DATABASE_URL", "REDIS_URL"):
        if name not in variables:
            env.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", f"from gateway import settings as s; {code}"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("pass word\n")
    (tmp_path / "store").write_text("a/b@c\n")
    (tmp_path / "vendor").write_text("vk-1")
    done = settled(
        tmp_path,
        "print(s.DATABASES['default']['PASSWORD'], s.REDIS_URL, s.CELERY_BROKER_URL,"
        " *map(s.environment.credential, ('VENDOR', 'DATABASE_PASSWORD')), sep='|')",
        DATABASE_URL="postgres://sluice@database/sluice",
        DATABASE_PASSWORD_FILE=str(tmp_path / "db"),
        REDIS_URL="redis://store:6379/1",
        REDIS_PASSWORD_FILE=str(tmp_path / "store"),
        VENDOR_FILE=str(tmp_path / "vendor"),
    )
    store = "redis://:a%2Fb%40c@store:6379/1"
    assert done.stdout.strip() == f"pass word|{store}|{store}|vk-1|None", done.stderr


def test_a_store_on_a_unix_socket_is_spelt_as_celery_wants_it(tmp_path: Path) -> None:
    url = "unix:///run/valkey.sock?db=3"
    done = settled(tmp_path, "print(s.REDIS_URL, s.CELERY_BROKER_URL)", REDIS_URL=url)
    assert done.stdout.split() == [url, "redis+socket:///run/valkey.sock?virtual_host=3"]


@pytest.mark.parametrize(
    ("content", "also_set", "advice"),
    [
        (None, "", "cannot be read"),
        ("", "", "which is empty"),
        ("x" * 50, "y" * 50, "set one of them"),
    ],
)
def test_a_secret_file_that_is_no_help_refuses(
    tmp_path: Path, content: str | None, also_set: str, advice: str
) -> None:
    place = tmp_path / "secret"
    if content is not None:
        place.write_text(content)
    done = settled(
        tmp_path, "", SLUICE_SECRET_KEY_FILE=str(place), SLUICE_SECRET_KEY=also_set or ""
    )
    assert done.returncode == 1
    assert advice in done.stderr
    assert "x" * 50 not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_with_a_database_of_its_own_it_makes_no_secrets(tmp_path: Path) -> None:
    done = settled(
        tmp_path, "print(s.MISSING_SECRETS)", DATABASE_URL="postgres://sluice@database/sluice"
    )
    assert done.stdout.strip() == "['SLUICE_SECRET_KEY', 'SLUICE_KEY_ENCRYPTION_KEY']"
    assert not list(tmp_path.glob("*.key"))


@pytest.mark.parametrize(
    "command",
    [
        ["uvicorn", "gateway.asgi:application", "--lifespan", "on", "--port", "0"],
        ["celery", "--app", "gateway.celery", "worker", "--pool", "solo"],
        ["gateway.supervisor"],
    ],
    ids=["web", "worker", "supervisor"],
)
def test_no_process_starts_without_the_secrets_of_production(
    tmp_path: Path, command: list[str]
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    env = {
        **kept,
        "SLUICE_VAR": str(tmp_path),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "sluice.E006" in said
    assert "SLUICE_SECRET_KEY is not set" in said
    assert "Traceback" not in said
