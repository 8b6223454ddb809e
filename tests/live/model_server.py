"""A real vLLM server as a process, on the CPU, with one of the tiny models."""

import contextlib
import os
import re
import signal
import subprocess
import urllib.request
from pathlib import Path
from threading import Event
from time import monotonic

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-vllm"
MODELS = VENV / "models"
START_S = 240.0  # 25 s each on two quiet cores, several times that side by side
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def installed() -> bool:
    """Whether `.ci/install-live` has run to its end."""
    return (VENV / "installed").exists()


class ModelServer:
    """One vLLM. `name` is the deployment's; `model` the folder under `.venv-vllm/models`."""

    def __init__(self, *, name: str, model: str, port: int, folder: Path) -> None:
        self.name = name
        self.model = f"tiny-{model}"
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        # Two sequences at once for the chat model. With more, so small a model makes tokens faster
        # than vLLM's own HTTP process hands them on: its event loop then sees a client's leaving
        # (and answers /metrics) only after the whole generation, also without Sluice in between.
        positions, at_once, chat = ("512", "2", True) if model == "llama" else ("128", "16", False)
        command = [
            # Should the tests be killed, it ends too.
            *("/usr/bin/setpriv", "--pdeathsig", "TERM"),
            *(str(VENV / "bin/vllm"), "serve", str(MODELS / model)),
            *("--served-model-name", self.model, "--host", "127.0.0.1", "--port", str(port)),
            *("--dtype", "float32", "--enforce-eager", "--max-model-len", positions),
            *("--max-num-seqs", at_once, "--kv-cache-memory-bytes", str(64 * 1024 * 1024)),
            *("--gpu-memory-utilization", "0.1"),  # on the CPU: of the machine's memory
        ]
        if chat:
            command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
        self._command = command
        self._environment = {
            # Nothing is inherited: no proxies, no hub, no credentials.
            "PATH": f"{VENV / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CACHE_ROOT": str(VENV / "cache"),  # kept: later starts are quicker
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs. It serves once `wait_ready` returns."""
        if self._process is not None and self._process.poll() is None:
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.log.parent,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its workers are ended with it, as one group
            )

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def wait_ready(self, *, until: float) -> None:
        """Wait for it to serve; fails with the end of its log at `until` (monotonic) or when it
        ended."""
        while True:
            with contextlib.suppress(OSError):
                if _get(f"{self.url}/health") is not None:
                    return
            assert self._process is not None
            assert self._process.poll() is None, self._tail()
            assert monotonic() < until, f"{self.name} is not ready: {self._tail()}"
            Event().wait(0.2)

    def revive(self) -> None:
        """Start it anew if it was killed, at the same address. Returns once it serves."""
        self.start()
        self.wait_ready(until=monotonic() + START_S)

    def metric(self, name: str) -> float:
        """A counter or gauge of vLLM's, summed over its series. 0 once the server is dead."""
        try:
            text = _get(f"{self.url}/metrics")
        except OSError:
            return 0.0
        series = re.compile(re.escape(f"vllm:{name}") + r"(?:\{.*\})? (\S+)")
        return sum(float(found[1]) for line in text.splitlines() if (found := series.match(line)))

    def kill(self) -> None:
        """End it at once, its workers too. May be called again."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


def _get(url: str) -> str:
    with _opener.open(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body.decode()
