"""The gateways that are compared, each started as its documentation says for one process.

`direct` (no gateway), nginx as a plain reverse proxy, LiteLLM's proxy with a master key and one
worker. Sluice has its own module. Each listens on loopback, on one core.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.children import GATEWAY_CORE, Child, ChildFailed, free_port, listening
from bench.load import Load, Target, run_load
from bench.wire import MODEL, SLOW_MODEL

ROOT = Path(__file__).resolve().parent.parent
_NGINX_PATH = f"/usr/local/sbin:/usr/sbin:/usr/bin:{ROOT}/.venv-nginx/usr/sbin"
LITELLM = ROOT / ".venv-litellm-proxy/bin/litellm"
_KEY = "sk-bench-only"


class NotInstalled(Exception):
    """What a gateway to compare with needs is absent; says what to run."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A started gateway. `children` by role: the one called `web` serves the requests."""

    target: Target
    children: dict[str, Child] = field(default_factory=dict)
    cold_start_s: float | None = None
    answered_at_start: int = 0  # requests that the start itself has sent
    # How many decisions the audit holds; None where there is no audit.
    count_decisions: Callable[[], int] | None = None

    def stop(self) -> None:
        """End every process, the serving one first."""
        for child in self.children.values():
            child.stop()


Start = Callable[[int, Path], Awaitable[Running]]  # upstream's port, an empty folder


async def first_answer(child: Child, target: Target, *, began: float, timeout_s: float) -> float:
    """Seconds from `began` (perf_counter) until one request was answered correctly."""
    await listening(child, target.port, timeout_s=timeout_s)
    sample = await run_load(target, Load(clients=1, seconds=timeout_s, requests=1))
    if sample.correct != 1:
        raise ChildFailed(f"first answer was wrong: {dict(sample.errors)}", child.log)
    return time.perf_counter() - began


async def start_direct(upstream_port: int, folder: Path) -> Running:
    """Nothing in between."""
    return Running(target=Target(port=upstream_port))


_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 256k;
    client_max_body_size 20m;
    keepalive_requests 100000000;
    upstream model_server {{
        server 127.0.0.1:{upstream_port};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://model_server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


async def start_nginx(upstream_port: int, folder: Path) -> Running:
    """nginx, one worker, kept connections on both sides, answers passed on unbuffered."""
    binary = shutil.which("nginx", path=_NGINX_PATH)
    if binary is None:
        raise NotInstalled("nginx is absent: run .ci/install-bench")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, upstream_port=upstream_port, port=port))
    began = time.perf_counter()
    command = [binary, "-p", str(folder), "-c", str(config), "-e", "stderr"]
    web = Child(command, core=GATEWAY_CORE, log=folder / "nginx.log", cwd=folder)
    running = Running(target=Target(port=port), children={"web": web})
    return await _measured(running, began=began, timeout_s=20)


_LITELLM_MODEL = """\
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{upstream_port}/v1
      api_key: none
"""
_LITELLM = """\
model_list:
{models}
litellm_settings:
  num_retries: 0
  telemetry: false
  request_timeout: 60
general_settings:
  master_key: {key}
"""
_LITELLM_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_TELEMETRY": "False",
    "NO_PROXY": "*",
}


async def start_litellm(upstream_port: int, folder: Path) -> Running:
    """LiteLLM's proxy: one worker, a master key, no database, no telemetry."""
    if not LITELLM.exists():
        raise NotInstalled("LiteLLM's proxy is absent: run .ci/install-bench")
    port = free_port()
    models = "".join(
        _LITELLM_MODEL.format(model=model, upstream_port=upstream_port)
        for model in (MODEL, SLOW_MODEL)
    )
    config = folder / "litellm.yaml"
    config.write_text(_LITELLM.format(models=models, key=_KEY))
    began = time.perf_counter()
    web = Child(
        [
            *(str(LITELLM), "--config", str(config), "--num_workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        core=GATEWAY_CORE,
        log=folder / "litellm.log",
        cwd=folder,
        environment=_LITELLM_ENVIRONMENT,
    )
    running = Running(target=Target(port=port, key=_KEY), children={"web": web})
    return await _measured(running, began=began, timeout_s=120)


async def _measured(running: Running, *, began: float, timeout_s: float) -> Running:
    """Wait for the first answer; on any failure nothing stays behind."""
    try:
        running.cold_start_s = await first_answer(
            running.children["web"], running.target, began=began, timeout_s=timeout_s
        )
    except BaseException:
        running.stop()
        raise
    running.answered_at_start = 1
    return running


async def start_upstream(folder: Path, *, core: int, python: str) -> tuple[Child, int]:
    """The upstream that all of them forward to."""
    port = free_port()
    child = Child(
        [python, "-m", "bench.upstream", str(port)],
        core=core,
        log=folder / "upstream.log",
        cwd=ROOT,
    )
    await asyncio.shield(listening(child, port, timeout_s=10))
    return child, port
