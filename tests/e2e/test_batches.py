"""OpenAI's batch flow through the SDK, with a worker and two recording model servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.batch_rows import IBAN, begin, chat_row, jsonl, wait_for_end
from tests.e2e.conftest import CONFIG, Lab
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream


@pytest.fixture(scope="module")
def batch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    var = Path(tmp_path_factory.mktemp("batches")) / "var"
    var.mkdir()
    sluice = Sluice(var, demo=False, worker=True)
    with Upstream() as onprem, Upstream() as cloud:
        try:
            sluice.start()
            sluice.apply(CONFIG.format(onprem=onprem.base_url, cloud=cloud.base_url))
            made = sluice.manage("key", "create", "e2e", "--project", "lab", "--service", "e2e")
            key = next(word for word in made.split() if word.startswith("sk-sluice-"))
            sluice.settle()
            yield Lab(sluice, onprem, cloud, key)
        finally:
            sluice.stop()


@pytest.fixture
def lab(batch_server: Lab) -> Iterator[Lab]:
    batch_server.onprem.reset()
    batch_server.cloud.reset()
    yield batch_server
    batch_server.onprem.reset()
    batch_server.cloud.reset()


def test_each_row_goes_where_it_may_and_comes_back_in_order(lab: Lab) -> None:
    rows = [
        chat_row(
            f"row-{number}", f"Check {IBAN}, case {number}" if number % 3 == 0 else f"Say {number}"
        )
        for number in range(60)
    ]
    client = lab.client
    begun = begin(client, jsonl(rows), metadata={"nightly": "yes"})
    assert begun.object == "batch"
    assert begun.metadata == {"nightly": "yes"}
    ended = wait_for_end(lab.sluice, client, begun.id)

    assert ended.batch.status == "completed", ended
    assert ended.batch.request_counts is not None
    counts = ended.batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (60, 60, 0)
    assert ended.batch.error_file_id is None
    assert [line["custom_id"] for line in ended.output] == [row["custom_id"] for row in rows]
    for number, line in enumerate(ended.output):
        receipt = line["sluice"]
        assert receipt["zone"] == ("on_prem" if number % 3 == 0 else "cloud")
        assert receipt["deployment"] == ("llama" if number % 3 == 0 else "claude")
        assert receipt["attempt"] == 1
        assert line["response"]["status_code"] == 200
        assert line["response"]["body"]["choices"][0]["message"]["content"] == "Hello there"
        assert line["error"] is None
    assert len(lab.cloud.received) == 40
    assert len(lab.onprem.received) == 20
    assert b"3704" not in lab.cloud.everything
    assert b"case" not in lab.cloud.everything

    # The output carries the join of its rows' labels, and is stored under it.
    raw = client.files.with_raw_response.content(ended.batch.output_file_id or "")
    assert raw.headers["x-sluice-sensitivity"] == "confidential"
    assert "payment" in raw.headers["x-sluice-categories"]
