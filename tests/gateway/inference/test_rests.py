"""A deployment that asks to be left alone goes last for as long as it asks, and not for ever."""

import pytest

from gateway.inference.route import LONGEST_REST_S, Router
from policies.engine.facts import Zone
from policies.engine.permit import Candidate
from tests.gateway.inference.conftest import destination

PLACES = {name: destination(name, "http://127.0.0.1:1", Zone.CLOUD) for name in ("a", "b")}
BOTH = [Candidate(deployment=name, zone=Zone.CLOUD) for name in ("a", "b")]


def first(router: Router, now_s: float) -> str:
    return router.order(BOTH, PLACES, now_s=now_s)[0].deployment


@pytest.mark.parametrize(("asked", "rests"), [(0.0, 0.0), (60.0, 60.0), (1e12, LONGEST_REST_S)])
def test_it_goes_last_while_it_rests(asked: float, rests: float) -> None:
    router = Router()
    router.failed("a", now_s=100.0, rest_s=asked)
    assert router.rest_s("a", now_s=100.0) == rests
    assert router.rest_s("b", now_s=100.0) == 0
    last = max(rests, 1.0)
    assert first(router, 100.0 + last - 0.5) == "b"
    assert router.state("a", now_s=100.0 + last - 0.5) == (0, True)
    assert router.state("a", now_s=100.0 + last) == (0, False)


def test_an_answer_to_a_request_of_before_does_not_end_its_rest() -> None:
    router = Router()
    router.failed("a", now_s=100.0, rest_s=60.0)
    router.served("a")
    assert first(router, 130.0) == "b"


def test_one_that_failed_is_asked_before_one_that_rests() -> None:
    router = Router()
    router.failed("a", now_s=100.0, rest_s=60.0)
    router.failed("b", now_s=110.0)
    assert first(router, 110.5) == "b"


def test_of_two_that_ask_the_longer_rest_holds() -> None:
    router = Router()
    router.failed("a", now_s=100.0, rest_s=60.0)
    router.failed("a", now_s=101.0, rest_s=5.0)
    assert router.rest_s("a", now_s=120.0) == 40.0
