"""A model server that writes one long answer with everything that Markdown has, word by word."""

import http.server
import json
import threading
from typing import Any, Self

from typing_extensions import override

ANSWER = """Here is the short answer, from all three rows of the file.

### Re-admission by ward

| Ward | Patients | Re-admitted | Rate |
|---|---:|---:|---:|
| Cardiology | 412 | 37 | 9.0 % |
| Oncology | 198 | 11 | 5.6 % |
| Geriatrics | 305 | 48 | 15.7 % |

The pooled rate is $p = \\frac{96}{915} \\approx 0.105$, and with a Wilson interval:

$$\\hat{p} \\pm z\\sqrt{\\frac{p(1-p)}{n}} = 0.105 \\pm 0.020$$

```python
from statsmodels.stats.proportion import proportion_confint

low, high = proportion_confint(96, 915, method="wilson")
print(f"{low:.3f} - {high:.3f}")  # 0.087 - 0.127
```

- [x] Grouped all 915 patients by `ward`
- [x] Wilson interval at 95 %, pooled over wards
- [ ] Ask the wards to confirm the denominators

> Geriatrics is the outlier. I would check the *discharge-to-home* flag first.
"""

PATIENCE_S = 120
SCRIBE = """
deployments:
  - {{name: scribe, provider: openai_compatible, base_url: "{url}", model: scribe,
     zone: on_prem, endpoints: [chat.completions], enabled: true}}
aliases:
  - {{name: scribe, deployments: [scribe]}}
projects:
  - {{slug: demo, name: Demo, grants: [demo-onprem, demo-cloud, scribe]}}
"""


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        words = ANSWER.split(" ")
        for at, word in enumerate(words):
            if at == len(words) // 2:
                self.server.halfway.wait(PATIENCE_S)  # type: ignore[attr-defined]
            self._event({"delta": {"content": word + (" " if at + 1 < len(words) else "")}})
        self._event({"delta": {}, "finish_reason": "stop"})
        usage = {"prompt_tokens": 690, "completion_tokens": 243, "total_tokens": 933}
        self._write({"model": "scribe", "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, choice: dict[str, Any]) -> None:
        self._write({"model": "scribe", "choices": [{"index": 0, **choice}]})

    def _write(self, event: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Scribe:
    """The server, in threads beside the test. With `halts` it waits in the middle of each answer
    until `goes_on` is set."""

    def __init__(self, *, halts: bool = False) -> None:
        self.goes_on = threading.Event()
        if not halts:
            self.goes_on.set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        self._server.halfway = self.goes_on  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
