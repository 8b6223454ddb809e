"""Input files as the guides of OpenAI, LiteLLM and vLLM have them are accepted as they are.

The rows have the fields, names and spellings of the examples in OpenAI's guide to batches, in
LiteLLM's pages on `/batches` and in vLLM's example of the batch file format; their words are ours.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.batches.models import RowState, Status
from policies.engine.decide import CompiledPolicy, compile_policy
from policies.engine.document import parse_document
from policies.engine.facts import Clearance, DeploymentFacts, Zone
from policies.engine.labels import Sensitivity, Taxonomy
from policies.engine.reading import KnownNames
from tests.gateway.batches.conftest import Office, Shift, results, work
from tests.gateway.inference.conftest import ENDPOINTS

FILES = sorted((Path(__file__).parent / "inputs").glob("*.jsonl"))
# Read here: what becomes of it at the deployment is Sluice's.
OURS = {"model", "metadata"}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def serving(models: list[str]) -> CompiledPolicy:
    """The house serves every model that the file names."""
    house = DeploymentFacts(
        name="llama",
        zone=Zone.ON_PREM,
        clearance=Clearance(Sensitivity.RESTRICTED, None),
        endpoints=ENDPOINTS,
        modalities=frozenset({"text"}),
    )
    known = KnownNames(deployments=["llama"], aliases=models)
    return compile_policy(
        organisation=None,
        project=parse_document({"kind": "project-policy", "project": "lab"}, known),
        project_slug="lab",
        deployments={"llama": house},
        aliases={model: ["llama"] for model in models},
        grants=frozenset({"llama"}),
        taxonomy=Taxonomy(),
    )


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_is_taken_and_sent_as_it_stands(office: Office, path: Path, ends: str) -> None:
    given = lines_of(path)
    url = given[0]["url"]
    content = path.read_bytes().replace(b"\n", ends.encode())
    batch = office.begun(content, endpoint=url)
    assert (batch.status, batch.errors, batch.total) == (Status.IN_PROGRESS, [], len(given))

    async def scene(shift: Shift) -> None:
        assert shift.snapshots.snapshot is not None
        view = shift.snapshots.snapshot.projects["lab"]
        policy = serving(sorted({line["body"]["model"] for line in given}))
        shift.change(projects={"lab": replace(view, policy=policy)})
        await shift.drive(batch).run()
        sent = [msgspec.json.decode(each.body) for each in shift.onprem.received]
        assert {each.path for each in shift.onprem.received} == {url}
        for line in given:
            (body,) = [each for each in sent if _text(each) == _text(line["body"])]
            kept = {name: line["body"][name] for name in line["body"].keys() - OURS}
            assert {name: body[name] for name in kept} == kept

    work(office, scene)
    assert set(batch.rows.values_list("state", flat=True)) == {RowState.COMPLETED}
    ended = office.finalized(batch)
    found = [line["custom_id"] for line in results(ended.output_file_id)]
    assert found == [line["custom_id"] for line in given]


def _text(body: dict[str, Any]) -> object:
    return body.get("messages", body.get("input", body.get("prompt")))
