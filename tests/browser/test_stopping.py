"""Replies are written by the server: whoever left or reloads finds them; Stop reaches upstream."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import Screens
from tests.browser.scribe import ANSWER, Scribe
from tests.browser.wire import Wire
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

CONFIG = """
deployments:
  - {{name: endless, provider: openai_compatible, base_url: "{url}", model: endless,
     zone: on_prem, endpoints: [chat.completions], enabled: true}}
  - {{name: scribe, provider: openai_compatible, base_url: "{scribe}", model: scribe,
     zone: on_prem, endpoints: [chat.completions], enabled: true}}
aliases:
  - {{name: endless, deployments: [endless]}}
  - {{name: scribe, deployments: [scribe]}}
projects:
  - slug: patience
    name: Patience
    floor: internal
    grants: [endless, scribe]
"""
JOIN = """
from gateway.accounts.acting import System
from gateway.accounts.models import Project, User
from gateway.accounts.services.projects import add_member
project = Project.objects.get(slug="patience")
add_member(by=System("console"), project=project, user=User.objects.get(email="{}"))
"""


@pytest.fixture(scope="module")
def halting() -> Iterator[Scribe]:
    """A model that waits in the middle of its answer."""
    with Scribe(halts=True) as scribe:
        yield scribe


@pytest.fixture(scope="module")
def endless(sluice_server: Sluice, halting: Scribe) -> Iterator[Upstream]:
    """An upstream that says one word and then nothing, behind the project `patience`."""
    with Upstream("stall") as upstream:
        sluice_server.apply(CONFIG.format(url=upstream.base_url, scribe=halting.base_url))
        sluice_server.manage("shell", "-c", JOIN.format(sluice_server.first_run["admin_email"]))
        yield upstream


@pytest.mark.parametrize("by", ["button", "Escape"])
def test_stop_ends_the_reply_and_the_upstream_request(
    opened: Open, endless: Upstream, by: str
) -> None:
    endless.reset("stall")
    endless.server.client_gone.clear()
    screens = opened("/p/patience/")
    screens.send("Tell me everything.")
    expect(screens.replies.last).to_contain_text("Hel")
    expect(screens.replies.last).to_contain_text("endless is writing")
    if by == "button":
        screens.stop_button.click()
    else:
        screens.page.keyboard.press("Escape")
    receipt = screens.receipt()
    expect(receipt).to_contain_text("Stopped.")
    expect(screens.replies.last).to_contain_text("Hel")
    screens.announced("incomplete")
    assert endless.left(within_s=10)


def test_a_page_that_is_closed_or_loaded_again_ends_nothing(
    opened: Open, endless: Upstream
) -> None:
    endless.reset("stall")
    endless.server.client_gone.clear()
    screens = opened("/p/patience/")
    screens.send("Tell me everything.")
    expect(screens.replies.last).to_contain_text("Hel")
    address = screens.page.url
    screens.page.reload()
    expect(screens.replies.last).to_contain_text("endless is writing")
    expect(screens.stop_button).to_be_visible()
    screens.page.close()
    assert not endless.server.client_gone.is_set()
    again = opened(address)
    expect(again.replies.last).to_contain_text("Hel")
    expect(again.replies.last).to_contain_text("endless is writing")
    again.stop_button.click()
    expect(again.receipt()).to_contain_text("Stopped.")
    assert endless.left(within_s=10)


# How a message stands on the page; `still` says that it came by a swap.
SHOWN = """(log) => [...log.querySelectorAll('.message')].map((each) => {
  const copy = each.cloneNode(true);
  copy.classList.remove('still');
  return copy.outerHTML.replace(/\\s+/g, ' ');
})"""


def test_a_network_that_is_cut_while_a_reply_is_written_costs_nothing(
    opened: Open, endless: Upstream, halting: Scribe, sluice_server: Sluice
) -> None:
    halting.goes_on.clear()
    with Wire(sluice_server.port) as wire:
        screens = opened(f"{wire.url}/p/patience/")
        screens.choose("scribe")
        screens.send("How often does each ward see its patients again?")
        expect(screens.replies.last).to_contain_text("Re-admission by ward")
        wire.cut()
        halting.goes_on.set()
        # Somebody whose wire is whole sees all of it meanwhile.
        other = opened(urlsplit(screens.page.url).path)
        other.receipt()
        expect(other.replies.last).to_contain_text("discharge-to-home")
        expect(screens.replies.last).not_to_contain_text("discharge-to-home")
        expect(screens.replies.last).to_contain_text("scribe is writing")
        wire.mend()
        it_ends_as_if_nothing_had_been(screens, other)


def it_ends_as_if_nothing_had_been(screens: Screens, other: Screens) -> None:
    screens.receipt()
    screens.announced("Reply complete")
    ended = screens.page.locator("#log").evaluate(SHOWN)
    screens.page.reload()
    expect(screens.replies).to_have_count(1)
    assert screens.page.locator("#log").evaluate(SHOWN) == ended
    assert other.page.locator("#log").evaluate(SHOWN) == ended


def test_code_of_a_reply_is_copied_as_it_was_written(
    opened: Open, endless: Upstream, halting: Scribe
) -> None:
    halting.goes_on.set()
    screens = opened("/p/patience/")
    screens.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    screens.choose("scribe")
    screens.send("How is it computed?")
    screens.receipt()
    screens.replies.last.get_by_role("button", name="Copy the code").click()
    screens.announced("Copied")
    code = ANSWER.split("```python\n")[1].split("```")[0]
    assert screens.page.evaluate("navigator.clipboard.readText()") == code


def test_stop_before_the_first_word_ends_the_upstream_request_and_loses_nothing(
    opened: Open, endless: Upstream
) -> None:
    endless.reset("slow_first_byte")
    endless.server.client_gone.clear()
    screens = opened("/p/patience/")
    screens.send("Tell me everything.")
    assert endless.asked(within_s=10)
    screens.stop_button.click()
    expect(screens.receipt()).to_contain_text("Stopped.")
    assert endless.left(within_s=10)
    endless.reset("stall")


def test_a_reply_whose_process_is_killed_ends_as_interrupted_and_may_be_continued(
    opened: Open, endless: Upstream, sluice_server: Sluice
) -> None:

    endless.reset("stall")
    screens = opened("/p/patience/")
    screens.send("Tell me everything.")
    expect(screens.replies.last).to_contain_text("Hel")
    (web,) = sluice_server.pids("uvicorn")
    os.kill(web, signal.SIGKILL)
    # Nobody touches the page: its event connection finds the new process by itself.
    expect(screens.replies.last).to_contain_text("Interrupted", timeout=40_000)
    expect(screens.replies.last).to_contain_text("Hel")
    sluice_server.wait_ready()
    endless.reset("ok")
    screens.replies.last.get_by_role("button", name="Continue").click()
    expect(screens.people).to_have_count(2)
    screens.receipt()
    expect(screens.people.last).to_contain_text("continue exactly where you stopped")
    endless.reset("stall")
    # What the dead process owed is written down: how it ended is not known, as its journal says.
    look = "SELECT outcome_state FROM audit_requestrecord WHERE project = 'patience'"
    with closing(sqlite3.connect(sluice_server.var / "sluice.sqlite3")) as database:
        sluice_server.wait_for(
            lambda: ("writer_died",) in database.execute(look).fetchall(),
            "the outcome of the interrupted reply",
        )
