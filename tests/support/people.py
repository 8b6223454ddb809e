"""A signed-in person without a browser, through a TLS proxy that is not there either."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any

import httpx


class Person:
    """Signs in at one web process; may ask any of the same installation."""

    def __init__(self, url: str, *, host: str, email: str, password: str) -> None:
        self._cookies: dict[str, str] = {}
        self._host = host
        self._client = httpx.Client(timeout=60, trust_env=False)
        self.call("GET", f"{url}/login/")
        form = {"username": email, "password": password}
        answer = self.call("POST", f"{url}/login/", data=form)
        assert answer.status_code == 302, answer.text

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, url: str, **content: Any) -> httpx.Response:
        """One request; its cookies count from then on."""
        answer = self._client.request(method, url, headers=self._headers(), **content)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        return answer

    @contextmanager
    def events(self, url: str) -> Iterator[Iterator[list[Any]]]:
        """What an event connection is told to do, as it comes."""
        with self._client.stream("GET", url, headers=self._headers()) as answer:
            assert answer.status_code == 200
            yield _operations(answer.iter_lines())

    def _headers(self) -> dict[str, str]:
        return {
            "host": self._host,
            "x-forwarded-proto": "https",
            "referer": f"https://{self._host}/",
            "cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "x-csrftoken": self._cookies.get("csrftoken", ""),
        }


def _operations(lines: Iterator[str]) -> Iterator[list[Any]]:
    for line in lines:
        if line.startswith("data: "):
            yield from json.loads(line[6:])["ops"]
