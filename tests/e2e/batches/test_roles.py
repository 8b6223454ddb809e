"""Each endpoint of stored objects, by who asks: one table."""

from dataclasses import dataclass

import pytest

from tests.e2e.batches.conftest import make_key
from tests.e2e.batches.rows import begin, chat_row, jsonl, wait_for_end
from tests.e2e.conftest import Lab


@dataclass(frozen=True)
class Scene:
    """A file and a batch of `lab` that has ended, and keys by role."""

    lab: Lab
    file: str
    batch: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def scene(batch_server: Lab) -> Scene:
    sluice = batch_server.sluice
    keys = {
        "owner": make_key(sluice, "--project", "lab", "--user", "owner@lab.example"),
        "other member": make_key(sluice, "--project", "lab", "--user", "member@lab.example"),
        "other project": make_key(sluice, "--project", "other", "--service", "e2e"),
        "another scope": make_key(
            sluice, "--project", "lab", "--service", "e2e", "--scope", "embeddings"
        ),
        "revoked": make_key(sluice, "--project", "lab", "--service", "e2e"),
        "no key": "",
    }
    sluice.manage("key", "revoke", keys["revoked"])
    sluice.settle()
    client = sluice.client(keys["owner"])
    begun = begin(client, jsonl([chat_row("a", "hello")]))
    ended = wait_for_end(sluice, client, begun.id).batch
    return Scene(batch_server, ended.output_file_id or "", begun.id, keys)


READING = (
    ("GET", "/v1/files"),
    ("GET", "/v1/files/{file}"),
    ("GET", "/v1/files/{file}/content"),
    ("GET", "/v1/batches"),
    ("GET", "/v1/batches/{batch}"),
)
# What each answers to a member once the batch has ended and with an empty body: never a success,
# so that the table may be read in any order.
WRITING = (
    ("POST", "/v1/files", 400),
    ("POST", "/v1/batches", 400),
    ("POST", "/v1/batches/{batch}/cancel", 400),
    ("POST", "/v1/batches/{batch}/retry", 400),
)
ALL = [*READING, *((method, path) for method, path, _ in WRITING), ("DELETE", "/v1/files/{file}")]


def ask(scene: Scene, role: str, method: str, path: str) -> int:
    path = path.format(file=scene.file, batch=scene.batch)
    body = b"{}" if method == "POST" else None
    headers = {"Authorization": f"Bearer {scene.keys[role]}"} if scene.keys[role] else {}
    return scene.lab.sluice.request(method, path, body, **headers)[0]


@pytest.mark.parametrize("role", ["owner", "other member"])
@pytest.mark.parametrize(("method", "path"), READING)
def test_members_read_what_is_the_projects(scene: Scene, role: str, method: str, path: str) -> None:
    assert ask(scene, role, method, path) == 200


@pytest.mark.parametrize("role", ["owner", "other member"])
@pytest.mark.parametrize(("method", "path", "status"), WRITING)
def test_members_reach_what_writes(
    scene: Scene, role: str, method: str, path: str, status: int
) -> None:
    assert ask(scene, role, method, path) == status


@pytest.mark.parametrize(("method", "path"), ALL)
def test_another_project_sees_nothing(scene: Scene, method: str, path: str) -> None:
    status = ask(scene, "other project", method, path)
    if "{" in path:
        assert status == 404
    elif method == "GET":
        assert status == 200
        key = scene.keys["other project"]
        listed = scene.lab.sluice.request("GET", path, Authorization=f"Bearer {key}")[1]
        assert b'"object":"list"' in listed
        assert scene.file.encode() not in listed
        assert scene.batch.encode() not in listed


@pytest.mark.parametrize("role", ["no key", "revoked"])
@pytest.mark.parametrize(("method", "path"), ALL)
def test_without_a_live_key_nothing_is_told(
    scene: Scene, role: str, method: str, path: str
) -> None:
    assert ask(scene, role, method, path) == 401


@pytest.mark.parametrize(("method", "path"), ALL)
def test_a_key_for_other_things_is_refused(scene: Scene, method: str, path: str) -> None:
    assert ask(scene, "another scope", method, path) == 403


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/files", "/v1/files/{file}", "/v1/files/{file}/content"),
        *("/v1/batches", "/v1/batches/{batch}", "/v1/batches/{batch}/cancel"),
    ],
)
def test_a_wrong_method_says_which_are_right(scene: Scene, path: str) -> None:
    assert ask(scene, "owner", "PUT", path) == 405


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/files/{id}", "/v1/files/{id}/content", "/v1/batches/{id}"),
        *("/v1/files/{id}/contents", "/v1/batches/{id}/cancel/x"),
    ],
)
@pytest.mark.parametrize(
    "bad", ["file-000000000000000000000000", "batch_0", "..", "%00", "a" * 300]
)
def test_an_id_that_is_none_is_not_found(scene: Scene, path: str, bad: str) -> None:
    key = scene.keys["owner"]
    status, body = scene.lab.sluice.request(
        "GET", path.format(id=bad), Authorization=f"Bearer {key}"
    )
    assert status == 404
    assert b"not_found" in body


def test_another_project_can_neither_run_nor_cancel_what_is_not_its_own(scene: Scene) -> None:
    client = scene.lab.sluice.client(scene.keys["other project"])
    for call in (
        lambda: client.batches.create(
            input_file_id=scene.file,
            endpoint="/v1/chat/completions",
            completion_window="24h",
        ),
        lambda: client.batches.cancel(scene.batch),
        lambda: client.files.delete(scene.file),
    ):
        with pytest.raises(Exception, match="404"):
            call()
