"""Stop cancels the upstream, not just the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

CONFIG = """
deployments:
  - {{name: endless, provider: openai_compatible, base_url: "{url}", model: endless,
     zone: on_prem, endpoints: [chat.completions], enabled: true}}
aliases:
  - {{name: endless, deployments: [endless]}}
projects:
  - slug: patience
    name: Patience
    floor: internal
    grants: [endless]
"""
JOIN = """
from gateway.accounts.acting import System
from gateway.accounts.models import Project, User
from gateway.accounts.services.projects import add_member
project = Project.objects.get(slug="patience")
add_member(by=System("console"), project=project, user=User.objects.get(email="{}"))
"""


@pytest.fixture(scope="module")
def endless(sluice_server: Sluice) -> Iterator[Upstream]:
    """An upstream that says one word and then nothing, behind the project `patience`."""
    with Upstream("stall") as upstream:
        sluice_server.apply(CONFIG.format(url=upstream.base_url))
        sluice_server.manage("shell", "-c", JOIN.format(sluice_server.first_run["admin_email"]))
        yield upstream


@pytest.mark.parametrize("by", ["button", "Escape"])
def test_stop_ends_the_reply_and_the_upstream_request(
    opened: Open, endless: Upstream, by: str
) -> None:
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
    expect(receipt).to_contain_text("Stopped by you.")
    expect(screens.replies.last).to_contain_text("Hel")
    screens.announced("incomplete")
    assert endless.left(within_s=10)
    expect(screens.composer).to_be_focused()


def test_closing_the_page_ends_the_upstream_request(opened: Open, endless: Upstream) -> None:
    endless.server.client_gone.clear()
    screens = opened("/p/patience/")
    screens.send("Tell me everything.")
    expect(screens.replies.last).to_contain_text("Hel")
    screens.page.close()
    assert endless.left(within_s=10)


def test_stop_before_the_first_word_ends_the_upstream_request_and_loses_nothing(
    opened: Open, endless: Upstream
) -> None:
    endless.reset("slow_first_byte")
    endless.server.client_gone.clear()
    screens = opened("/p/patience/")
    screens.send("Tell me everything.")
    assert endless.asked(within_s=10)
    screens.stop_button.click()
    card = screens.people.last.locator(".refusal")
    expect(card).to_contain_text("Stopped by you.")
    assert endless.left(within_s=10)
    card.get_by_role("button", name="Take it back to edit").click()
    expect(screens.composer).to_have_value("Tell me everything.")
    endless.reset("stall")
