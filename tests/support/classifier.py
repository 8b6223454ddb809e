"""A classifier as a real HTTP server, in the dialects that model recognizers speak; with faults.

It knows words and the label of each. As a process: `python -m tests.support.classifier
--words '{"Jane": "PER"}'`; its first line of output is its port, `GET /received` lists what came,
and `POST /mode/<mode>` changes the mode: `classifying`, `nonsense`, `too_few`, and every mode of
`FaultServer`.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from typing_extensions import override

from tests.gateway.providers.fault_server import FaultServer, Received

LABELS = ("O", "PER", "HEALTH")
_TOKEN = re.compile(r"\w+|[^\w\s]")
Answer = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


class Classifier:
    """What it answers. `words`: a word, or the beginning of one with `*`, and its label."""

    def __init__(self, words: Mapping[str, str], labels: Sequence[str] = LABELS) -> None:
        self.words = words
        self.labels = labels

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question, by what is in it."""
        if "messages" in body:
            return self._chat(body)
        if "prompt" in body:
            return {"token_strs": self._tokens(body["prompt"])}
        texts = body["input"]
        if body.get("task") == "token_classify":
            rows = [
                [self._row(self._label(token)) for token in self._tokens(text)] for text in texts
            ]
            return {"data": [{"index": n, "data": row} for n, row in enumerate(rows)]}
        return {
            "data": [
                {"index": n, "label": None, "probs": self._row(self._of(text))}
                for n, text in enumerate(texts)
            ]
        }

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        text = body["messages"][-1]["content"]
        found = [
            {"label": label, "text": token}
            for token in _TOKEN.findall(text)
            if (label := self._label(token)) != "O"
        ]
        message = {"role": "assistant", "content": json.dumps({"found": found})}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    def _tokens(self, text: str) -> list[str]:
        return ["[CLS]", *(token.lower() for token in _TOKEN.findall(text)), "[SEP]"]

    def _of(self, text: str) -> str:
        labels = [self._label(token) for token in _TOKEN.findall(text)]
        return next((label for label in labels if label != "O"), "O")

    def _label(self, token: str) -> str:
        for word, label in self.words.items():
            known, beginning = word.rstrip("*").lower(), word.endswith("*")
            if token.lower() == known or (beginning and token.lower().startswith(known)):
                return label
        return "O"

    def _row(self, label: str) -> list[float]:
        return [0.9 if each == label else 0.05 for each in self.labels]


class ClassifierServer(FaultServer):
    """A server of `classifier`, with the faults of every server and two of its own."""

    def __init__(self, classifier: Classifier, mode: str = "classifying", port: int = 0) -> None:
        super().__init__(mode, port=port)
        self.classifier = classifier
        self.answering = classifier.answer

    @override
    def _answers(self) -> dict[str, Answer]:
        return {
            **super()._answers(),
            "classifying": self._answering,
            "nonsense": self._nonsense,
            "too_few": self._too_few,
        }

    async def _nonsense(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.answering = lambda body: {
            "data": [
                {"index": n, "probs": [7.5, -1.0, float("1e400")], "data": [[0.5]]}
                for n, _ in enumerate(body.get("input", ()))
            ],
            "token_strs": ["?"],
            "choices": [],
        }
        return await self._and_back(request, reader, writer)

    async def _too_few(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        def fewer(body: dict[str, Any]) -> dict[str, Any]:
            answer = self.classifier.answer(body)
            return answer | {"data": answer.get("data", [])[:-1], "choices": []}

        self.answering = fewer
        return await self._and_back(request, reader, writer)

    async def _and_back(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        try:
            return await self._answering(request, reader, writer)
        finally:
            self.answering = self.classifier.answer


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--words", type=json.loads, default={})
    parser.add_argument("--mode", default="classifying")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    classifier = Classifier(arguments.words)
    async with ClassifierServer(classifier, arguments.mode, port=arguments.port) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
