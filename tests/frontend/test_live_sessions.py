"""Event connections end with the session behind them."""

import asyncio
from collections.abc import Collection

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from frontend.live.sessions import EVERY_S, Held, SessionWatch, still_held
from gateway.accounts.models import User
from gateway.accounts.services import end_other_sessions
from tests.frontend.conftest import House


def test_a_session_holds_while_its_row_is_there_and_its_person_is_not_switched_off(
    house: House,
) -> None:
    member, editor = house.people["member"], house.people["editor"]
    held: set[Held] = set()
    for person in (member, editor):
        client = Client()
        client.force_login(person)
        held.add((client.session.session_key or "", str(person.pk)))
    assert still_held(frozenset(held)) == held
    end_other_sessions(by=member, keep="")
    assert {user for _, user in still_held(frozenset(held))} == {str(editor.pk)}
    User.objects.filter(pk=editor.pk).update(is_active=False)
    assert Session.objects.count() == 1
    assert still_held(frozenset(held)) == set()


@pytest.mark.parametrize("fails", [False, True])
def test_only_the_connections_of_an_ended_session_are_told(fails: bool) -> None:
    looks: list[int] = []

    async def look(held: frozenset[Held]) -> Collection[Held]:
        looks.append(len(held))
        if fails:
            raise OSError("no database")
        return {each for each in held if each[0] != "ended"}

    async def main() -> list[bool]:
        watch = SessionWatch(look)
        held = ("ended", "1"), ("ended", "1"), ("kept", "1")
        with (
            watch.ended(held[0]) as first,
            watch.ended(held[1]) as second,
            watch.ended(held[2]) as kept,
        ):
            async with asyncio.timeout(EVERY_S * 20):
                await asyncio.gather(first.wait(), second.wait())
            return [each.is_set() for each in (first, second, kept)]

    assert asyncio.run(main()) == [True, True, fails]
    assert set(looks) <= {1, 2}
