"""What goes over the wire: a fixed set of headers, and nothing that could split a request."""

from collections.abc import Mapping

import pytest

from gateway.providers.calls import Destination, RequestRefused
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.targets import target_of
from policies.engine.facts import Zone
from tests.gateway.providers.calls_for_tests import call, clock, destination, run
from tests.gateway.providers.fault_server import FaultServer


def test_only_the_fixed_headers_are_sent() -> None:
    async def main() -> None:
        async with FaultServer() as server:
            provider = OpenAICompatible(clock=clock)
            try:
                to = destination(server.base_url, credential="sk-upstream")
                answer = await provider.send(call(to, {"stream": True}))
                await answer.read(10_000)
                await answer.aclose()
                answer = await provider.send(call(destination(server.base_url), path="/embeddings"))
                await answer.read(10_000)
                await answer.aclose()
            finally:
                await provider.aclose()
            first, second = server.received
            assert first.method == "POST"
            assert first.path == "/v1/chat/completions"
            assert dict(first.headers) == {
                "host": f"127.0.0.1:{server.port}",
                "user-agent": "sluice",
                "accept-encoding": "identity",
                "content-type": "application/json",
                "authorization": "Bearer sk-upstream",
                "accept": "text/event-stream",
                "x-request-id": "req-1",
                "content-length": str(len(first.body)),
            }
            assert second.path == "/v1/embeddings"
            assert second.header("authorization") is None
            assert second.header("accept") == "application/json"

    run(main())


BAD: dict[str, Mapping[str, str]] = {
    "line break in the credential": {"credential": "sk\r\nx-evil: 1"},
    "bare carriage return": {"credential": "sk\rx"},
    "bare line feed": {"credential": "sk\nx"},
    "nul": {"credential": "sk\x00"},
    "not ASCII": {"credential": "skÄ"},
    "line break in the request id": {"request_id": "a\r\nhost: evil"},
    "line break in the path": {"path": "/chat HTTP/1.1\r\nhost: evil\r\n\r\nPOST /x"},
    "blank in the path": {"path": "/chat x"},
    "no slash": {"path": "chat"},
    "absolute form": {"path": "http://evil/"},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD.keys())
def test_what_could_split_a_request_is_refused_and_not_quoted(changes: Mapping[str, str]) -> None:
    async def main() -> None:
        async with FaultServer() as server:
            provider = OpenAICompatible(clock=clock)
            to = destination(server.base_url, credential=changes.get("credential", ""))
            asked = call(
                to,
                path=changes.get("path", "/chat/completions"),
                request_id=changes.get("request_id", "r"),
            )
            # An absolute path below a base URL that ends in a slash would still be joined to it.
            if changes.get("path") in {"chat", "http://evil/"}:
                to = destination(f"http://127.0.0.1:{server.port}")
                asked = call(to, path=changes["path"])
            try:
                with pytest.raises(RequestRefused) as caught:
                    await provider.send(asked)
                assert "evil" not in caught.value.operator_detail
                assert not server.connections
            finally:
                await provider.aclose()

    run(main())


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://127.0.0.1/v1",
        "127.0.0.1:8000/v1",
        "http:///v1",
        "http://user:pass@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=1",
        "http://127.0.0.1/v1#x",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1/v 1",
        "http://127.0.0.1\r\n/v1",
        "http://exa mple/v1",
        "http://[::1/v1",
    ],
)
def test_a_base_url_that_is_not_plain_is_refused(base_url: str) -> None:
    with pytest.raises(RequestRefused, match="base_url of deployment llama"):
        target_of(destination(base_url))


def _vendor(base_url: str, options: Mapping[str, str]) -> Destination:
    return destination(base_url, zone=Zone.CLOUD, options=options)


def test_a_base_url_is_taken_apart() -> None:
    target, prefix = target_of(_vendor("https://api.example/v1/", {}))
    assert (target.tls, target.host, target.port, prefix) == (True, "api.example", 443, "/v1")
    assert target.authority == "api.example"
    target, prefix = target_of(_vendor("http://[::1]:8001", {"allow_private": "yes"}))
    assert (target.tls, target.host, target.port, prefix) == (False, "::1", 8001, "")
    assert target.authority == "[::1]:8001"
    assert target.allow_private
    target, _ = target_of(_vendor("https://bücher.example:444", {}))
    assert target.authority == "xn--bcher-kva.example:444"


def test_destinations_that_are_judged_differently_never_share_connections() -> None:
    on_prem, _ = target_of(destination("http://127.0.0.1:8000"))
    other, _ = target_of(destination("http://127.0.0.1:8000", networks=()))
    vendor, _ = target_of(_vendor("http://127.0.0.1:8000", {"allow_private": "yes"}))
    assert len({on_prem.key, other.key, vendor.key}) == 3


def test_a_call_shows_neither_content_nor_credential() -> None:
    to = destination("http://127.0.0.1/v1", credential="sk-secret")
    asked = call(to, {"messages": [{"role": "user", "content": "private words"}]})
    assert "private words" not in repr(asked)
    assert "sk-secret" not in repr(asked)
