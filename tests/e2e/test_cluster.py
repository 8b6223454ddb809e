"""Two web processes and two workers share PostgreSQL and Redis: what one learns, all know."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import openai
import pytest

from tests.e2e.batches.rows import begin, chat_row, jsonl
from tests.e2e.conftest import CONFIG
from tests.gateway.providers.fault_server import CHUNKS
from tests.support.cluster import Cluster
from tests.support.people import Person
from tests.support.servers import PostgresServer, RedisServer
from tests.support.upstream import Upstream

PATH = "/v1/chat/completions"
BODY = json.dumps({"model": "private", "messages": [{"role": "user", "content": "hello"}]}).encode()
CLOUD = BODY.replace(b"private", b"vendor")
HOST = "sluice.example"
WITH_PEOPLE = CONFIG.replace(
    "    grants: [llama, claude]\n",
    "    grants: [llama, claude]\n    members:\n"
    "      - {{email: ada@sluice.example, role: member}}\n"
    "      - {{email: ben@sluice.example, role: member}}\n",
)


class Lab:
    """A cluster with the project `lab`, an on-prem and a cloud server that record."""

    def __init__(self, cluster: Cluster, onprem: Upstream, cloud: Upstream) -> None:
        self.cluster, self.onprem, self.cloud = cluster, onprem, cloud

    def key(self, name: str, *options: str) -> str:
        made = self.cluster.install.manage(
            "key", "create", name, "--project", "lab", "--service", name, *options
        )
        return next(word for word in made.split() if word.startswith("sk-sluice-"))

    def ask(self, web: int, key: str, body: bytes = BODY) -> int:
        return self.cluster.post(PATH, body, key=key, web=web)[0]

    def person(self, name: str, web: int) -> Person:
        email, password = f"{name}@{HOST}", "a long pass phrase"
        self.cluster.install.manage("user", "password", email, stdin=password)
        return Person(self.cluster.url(web), host=HOST, email=email, password=password)

    def known_everywhere(self, key: str, status: int, body: bytes = BODY) -> None:
        self.cluster.wait_for(
            lambda: all(self.ask(web, key, body) == status for web in (0, 1)), f"{status} from both"
        )


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
) -> Iterator[Lab]:
    cluster = Cluster(Path(tmp_path_factory.mktemp("cluster")), postgres_server, redis_server)
    with Upstream() as onprem, Upstream() as cloud:
        try:
            cluster.start()
            cluster.install.apply(WITH_PEOPLE.format(onprem=onprem.base_url, cloud=cloud.base_url))
            yield Lab(cluster, onprem, cloud)
        finally:
            cluster.stop()


@pytest.fixture
def lab(running: Lab) -> Lab:
    """The cluster, with both servers as they are at first, whatever the test before had of them."""
    running.onprem.reset()
    running.cloud.reset()
    return running


def test_a_key_counts_at_both_and_so_does_its_end(lab: Lab) -> None:
    key = lab.key("both")
    lab.known_everywhere(key, 200)
    lab.cluster.install.manage("key", "revoke", key)
    lab.known_everywhere(key, 401)


def test_the_switch_for_what_leaves_stops_both(lab: Lab) -> None:
    key = lab.key("switch")
    lab.known_everywhere(key, 200, CLOUD)
    lab.cluster.install.manage("egress", "stop", "--reason", "drill")
    try:
        lab.known_everywhere(key, 403, CLOUD)
        lab.cloud.reset()
        assert [lab.ask(web, key, CLOUD) for web in (0, 1)] == [403, 403]
        assert lab.cloud.received == []
    finally:
        lab.cluster.install.manage("egress", "resume", "--reason", "drill over")
    lab.known_everywhere(key, 200, CLOUD)


def test_a_limit_is_one_limit_for_both(lab: Lab) -> None:
    key = lab.key("limited", "--requests-per-minute", "40")
    lab.known_everywhere(lab.key("ready"), 200)
    lab.onprem.reset()

    answers: list[int] = []
    # Within one minute of the store's clock; asked again where it ended in between.
    for _ in range(3):
        began = lab.cluster.store_minute()
        lab.onprem.reset()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: lab.ask(number % 2, key), range(120)))
        if lab.cluster.store_minute() == began:
            break
    assert set(answers) == {200, 429}
    assert answers.count(200) <= 40
    assert len(lab.onprem.calls) == answers.count(200)
    # What both held back unspent is at most a lease each.
    assert answers.count(200) >= 20


def test_a_credential_is_replaced_without_a_failed_request(lab: Lab) -> None:
    key = lab.key("vendor")
    install = lab.cluster.install
    lab.known_everywhere(key, 200, CLOUD)
    lab.cloud.reset()
    with ThreadPoolExecutor(1) as pool:
        renewed = pool.submit(install.manage, "deployments", "credential", "claude", stdin="new-1")
        statuses = []
        while not renewed.done():
            statuses += [lab.ask(web, key, CLOUD) for web in (0, 1)]
    assert "new credential" in renewed.result()
    assert set(statuses) == {200}

    def both_use_it() -> bool:
        lab.cloud.reset()
        assert [lab.ask(web, key, CLOUD) for web in (0, 1)] == [200, 200]
        used = {each.header("authorization") for each in lab.cloud.received}
        return used == {"Bearer new-1"}

    lab.cluster.wait_for(both_use_it, "the new credential in use")


def test_the_encryption_key_is_replaced_without_a_failed_request(lab: Lab) -> None:
    key = lab.key("sealed")
    install = lab.cluster.install
    lab.known_everywhere(key, 200, CLOUD)
    install.manage("deployments", "credential", "claude", stdin="before-rotation")
    with ThreadPoolExecutor(1) as pool:
        rotated = pool.submit(install.manage, "rotate_keys")
        statuses = []
        while not rotated.done():
            statuses += [lab.ask(web, key, CLOUD) for web in (0, 1)]
    assert "sealed anew" in rotated.result()
    # Sealed under the new key alone: both webs have read it from the changed file.
    install.manage("deployments", "credential", "claude", stdin="after-rotation")

    def both_use_it() -> bool:
        lab.cloud.reset()
        statuses.extend(lab.ask(web, key, CLOUD) for web in (0, 1))
        used = {each.header("authorization") for each in lab.cloud.received}
        return used == {"Bearer after-rotation"}

    lab.cluster.wait_for(both_use_it, "opened under the new key")
    assert set(statuses) == {200}


def test_two_workers_run_batches_and_each_row_once(lab: Lab) -> None:
    key = lab.key("batches")
    lab.onprem.reset()
    lab.cluster.wait_for(lambda: lab.cluster.workers() == 2, "both workers there")
    with openai.OpenAI(base_url=f"{lab.cluster.url(0)}/v1", api_key=key, timeout=30) as client:
        rows = [chat_row(f"row-{n}", f"Say {n}", model="private") for n in range(60)]
        begun = [begin(client, jsonl(rows)) for _ in range(4)]
    # What one web process was told, the other one knows.
    with openai.OpenAI(base_url=f"{lab.cluster.url(1)}/v1", api_key=key, timeout=30) as client:
        lab.cluster.wait_for(
            lambda: all(client.batches.retrieve(b.id).status == "completed" for b in begun),
            "four batches completed",
        )
        for batch in begun:
            counts = client.batches.retrieve(batch.id).request_counts
            assert counts is not None
            assert (counts.completed, counts.failed) == (60, 0)
    assert len(lab.onprem.calls) == 240
    drivers = "select count(distinct pid) from audit_writer where role = 'worker'"
    assert lab.cluster.install.rows(drivers)[0][0] >= 2
    lab.cluster.install.manage("audit", "verify")


def test_what_one_web_writes_streams_to_who_watches_at_the_other(lab: Lab) -> None:
    one, two = lab.cluster.url(0), lab.cluster.url(1)
    ada, ben = lab.person("ada", 0), lab.person("ben", 1)
    with closing(ada), closing(ben):
        lab.onprem.reset()
        first = {"text": "Hello", "model": "private"}
        begun = ada.call("POST", f"{one}/p/lab/messages", json=first).json()
        talk = begun["conversation"]
        lab.cluster.wait_for(lambda: said(ada, f"{one}/c/{talk}", begun["reply"]), "a first reply")
        ada.call("POST", f"{one}/c/{talk}/share", data={"visibility": "members"})

        lab.onprem.reset("stall")  # the first word, and then nothing until somebody leaves
        with ben.events(f"{two}/chat/events?c={talk}~0-0") as told:
            more = {"text": "And now?", "model": "private", "parent": begun["reply"]}
            reply = ada.call("POST", f"{one}/c/{talk}/messages", json=more).json()["reply"]
            while "And now?" not in until(told, "add"):  # after what was said before
                pass
            while CHUNKS[0] not in until(told, "tail", "body", "block", "add"):
                pass
            # Asked to stop at the other web, the one that writes leaves the model server.
            assert ada.call("POST", f"{two}/c/{talk}/messages/{reply}/stop").status_code == 200
            assert lab.onprem.left(within_s=20)
            ada.call("POST", f"{one}/c/{talk}/share", data={"visibility": "private"})
            until(told, "gone")
        assert ben.call("GET", f"{two}/c/{talk}/").status_code == 404


def said(person: Person, conversation: str, message: int) -> bool:
    answer = person.call("GET", f"{conversation}/messages/{message}/text")
    return answer.status_code == 200 and "".join(CHUNKS) in answer.text


def until(told: Iterator[list[object]], *kinds: str) -> str:
    """Everything in the next operation of one of these kinds."""
    return next(str(operation) for operation in told if operation[0] in kinds)
