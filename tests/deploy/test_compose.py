"""docker-compose.yml and the Dockerfile: valid, hardened, and with one way out."""

import re
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import COMPOSE, compose, web_command
from tests.support.sluice import ROOT

CONTENT = compose()
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]
NETWORKS: dict[str, dict[str, Any]] = {
    name: made or {} for name, made in CONTENT["networks"].items()
}
LASTING = sorted(SERVICES.keys() - {"migrate"})
OURS = ("migrate", "web", "worker", "beat", "loader")


def run(*command: str) -> str:
    tool = ROOT / ".venv" / "bin" / command[0]
    done = subprocess.run([str(tool), *command[1:]], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def networks_of(service: str) -> set[str]:
    return set(SERVICES[service]["networks"])


def test_it_is_what_compose_takes() -> None:
    assert run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)) == ""


def test_the_dockerfile_has_nothing_that_hadolint_minds() -> None:
    assert run("hadolint", str(ROOT / "Dockerfile")) == ""


def test_what_it_installs_is_locked_with_hashes() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert text.count("pip install") == text.count("--require-hashes") == 1
    assert text.count("FROM ") == 2


def test_what_it_runs_is_compiled_when_it_is_built() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--no-compile" not in text
    (compiled,) = re.findall(r"^RUN python -m compileall -q (.+)$", text, re.MULTILINE)
    copied = re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE)
    assert sorted(compiled.split()) == sorted(copied) != []


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_may_do_little(service: str) -> None:
    made = SERVICES[service]
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert int(made["user"].split(":")[0]) > 0
    assert "memory" in made["deploy"]["resources"]["limits"]
    assert "privileged" not in made
    assert "cap_add" not in made


@pytest.mark.parametrize("service", LASTING)
def test_a_service_says_how_it_is(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_there_are_two_webs_and_one_of_what_must_be_one() -> None:
    assert SERVICES["web"]["deploy"]["replicas"] == 2
    assert "replicas" not in SERVICES["beat"]["deploy"]


def test_only_egress_can_reach_what_is_outside() -> None:
    """Every other network is internal, or has no way out (no address translation)."""
    closed = "com.docker.network.bridge.enable_ip_masquerade"
    open_networks = {
        name
        for name, made in NETWORKS.items()
        if not made.get("internal") and made.get("driver_opts", {}).get(closed) != "false"
    }
    assert open_networks == {"outside"}
    assert {name for name in SERVICES if networks_of(name) & open_networks} == {"egress"}
    assert all(SERVICES[name].get("network_mode") is None for name in SERVICES)


def test_only_the_edge_can_be_reached() -> None:
    assert {name for name in SERVICES if "ports" in SERVICES[name]} == {"edge"}


def test_what_goes_through_egress_is_never_taken_for_on_prem() -> None:
    on_prem = ip_network(SERVICES["web"]["environment"]["SLUICE_ON_PREM_NETWORKS"])
    subnets = {
        name: ip_network(made["ipam"]["config"][0]["subnet"])
        for name, made in NETWORKS.items()
        if "ipam" in made
    }
    assert subnets["models"] == on_prem
    assert [name for name, subnet in subnets.items() if subnet.overlaps(on_prem)] == ["models"]
    assert "models" not in networks_of("egress")
    # Who listens on the models' network is a model server or Sluice itself.
    assert {name for name in SERVICES if "models" in networks_of(name)} == {
        *("web", "worker", "vllm", "vllm-cpu")
    }


def test_egress_lets_through_whom_it_stands_in_for() -> None:
    aliases = set(SERVICES["egress"]["networks"]["way-out"]["aliases"])
    lines = (ROOT / "deploy" / "egress.conf").read_text().splitlines()
    vendors = {line.split()[0] for line in lines if line.strip().endswith(":443;")}
    assert aliases == vendors


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_secrets_are_files(service: str) -> None:
    made = SERVICES[service]
    given = set(made.get("secrets", []))
    for name, value in (made.get("environment") or {}).items():
        if name.endswith(("PASSWORD", "SECRET_KEY", "ENCRYPTION_KEY")):
            pytest.fail(f"{name} would stand in the environment")
        if str(value).startswith("/run/secrets/"):
            assert Path(str(value)).name in given, name
    assert given <= CONTENT["secrets"].keys()
    assert all("file" in made for made in CONTENT["secrets"].values())


def test_the_web_cannot_sign_the_audit() -> None:
    assert {name for name in OURS if "audit_key" in SERVICES[name]["secrets"]} == {
        *("worker", "loader")
    }
    assert "SLUICE_AUDIT_KEY" not in SERVICES["web"]["environment"]


def test_prometheus_reads_every_web_and_both_processes_of_a_worker_with_the_key() -> None:
    jobs = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
    found = {
        (name, at["port"]) for job in jobs for at in job["dns_sd_configs"] for name in at["names"]
    }
    worker = SERVICES["worker"]["environment"]
    first = int(worker["SLUICE_WORKER_METRICS_PORT"])
    processes = int(SERVICES["worker"]["command"][-3])
    assert SERVICES["worker"]["command"][-4] == "--concurrency"
    assert found == {("web", 8000), *(("worker", first + at) for at in range(processes))}
    assert worker["SLUICE_WORKER_METRICS_HOST"] == "0.0.0.0"  # noqa: S104
    for name in ("web", "worker"):
        key = SERVICES[name]["environment"]["SLUICE_METRICS_KEY_FILE"]
        assert {job["authorization"]["credentials_file"] for job in jobs} == {key}
    assert {name for name in SERVICES if "watch" in networks_of(name)} == {
        *("web", "worker", "prometheus")
    }
    assert networks_of("prometheus") == {"watch"}
    assert SERVICES["prometheus"]["secrets"] == ["metrics_key"]


def test_metrics_do_not_go_through_the_edge() -> None:
    text = (ROOT / "deploy" / "edge.conf").read_text()
    assert re.search(r"location = /metrics \{\s+return 404;", text)


def test_the_web_trusts_no_header_of_the_network_it_cannot_tell() -> None:
    trusted = ip_network(SERVICES["web"]["environment"]["SLUICE_TRUSTED_PROXIES"])
    assert NETWORKS["door"]["ipam"]["config"][0]["subnet"] == str(trusted)
    assert {name for name in SERVICES if "door" in networks_of(name)} == {"edge", "web"}
    assert "--no-proxy-headers" in web_command()


def test_the_secrets_are_made_once(tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "make-secrets"
    script.parent.mkdir()
    script.write_bytes((ROOT / "deploy" / "make-secrets").read_bytes())
    first = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    wanted = {name for name in CONTENT["secrets"] if not name.startswith("tls_")}
    assert made.keys() == wanted
    assert all(len(content) > 40 for content in made.values())
    assert "tls_certificate" in first.stdout
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    again = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True)
    assert "made" not in again.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made
