"""A full disk closes the path and opens it again, as docs/operations.md says."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CONFIG, Lab
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

PATH = "/v1/chat/completions"
BODY = json.dumps({"model": "vendor", "messages": [{"role": "user", "content": "hello"}]}).encode()


def lab_on(server: Sluice, onprem: Upstream, cloud: Upstream) -> Lab:
    server.start()
    server.apply(CONFIG.format(onprem=onprem.base_url, cloud=cloud.base_url))
    lab = Lab(server, onprem, cloud, key_of(server))
    server.wait_for(lambda: lab.post(PATH, BODY)[0] == 200, "served")
    cloud.reset()
    return lab


def key_of(server: Sluice) -> str:
    made = server.manage("key", "create", "k", "--project", "lab", "--service", "k")
    return next(word for word in made.split() if word.startswith("sk-sluice-"))


def fault(answer: bytes) -> tuple[str, str]:
    error = json.loads(answer)["error"]
    return error["code"], error["param"]


def upload(lab: Lab, size: int) -> tuple[int, bytes]:
    """A file of so many bytes, sent as clients send it."""
    edge = "the-edge"
    form = (
        f'--{edge}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        f"{'x' * size}\r\n--{edge}--\r\n"
    )
    return lab.sluice.request(
        "POST",
        "/v1/files",
        form.encode(),
        **{
            "Authorization": f"Bearer {lab.api_key}",
            "Content-Type": f"multipart/form-data; boundary={edge}",
        },
    )


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    server = Sluice(tmp_path / "var", demo=False)
    with Upstream() as onprem, Upstream() as cloud:
        try:
            yield lab_on(server, onprem, cloud)
        finally:
            server.stop()


def test_a_full_disk_refuses_and_ends_with_the_disks_fullness(lab: Lab) -> None:
    sluice = lab.sluice
    (web,) = sluice.pids("uvicorn")
    assert upload(lab, 10)[0] == 200  # so that the project has its key
    # The system refuses this process every byte beyond the first hundred of any file, as it does
    # on a full disk: neither the segment nor a new one takes a record.
    before = resource.prlimit(web, resource.RLIMIT_FSIZE)
    resource.prlimit(web, resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for _ in range(3):
            status, answer = lab.post(PATH, BODY)
            assert status == 503
            assert fault(answer) == ("fail_closed", "journal")
        assert lab.cloud.received == []
        assert sluice.get("/readyz")[0] == 503
        assert sluice.log.read_text().count("denies") == 1
        status, answer = upload(lab, 200_000)
        assert (status, fault(answer)) == (503, ("fail_closed", "storage"))
        assert "OSError" in sluice.log.read_text()
    finally:
        resource.prlimit(web, resource.RLIMIT_FSIZE, before)
    sluice.wait_for(lambda: lab.post(PATH, BODY)[0] == 200, "served again")
    assert sluice.get("/readyz")[0] == 200
    assert sluice.rows("select count(*) from files_storedfile") == [(1,)]
    assert list((sluice.var / "incoming").glob("*")) == []
    assert upload(lab, 200_000)[0] == 200
    sent = {each.header("x-request-id") for each in lab.cloud.received}
    count = "select request_id from audit_requestrecord"
    sluice.wait_for(lambda: sent <= {row[0] for row in sluice.rows(count)}, "in the audit")
    assert "chains verified" in sluice.manage("audit", "verify")
