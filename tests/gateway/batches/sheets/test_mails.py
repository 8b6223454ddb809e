"""The mail that a job is done: to whoever made it, with counts and the way to it, nothing else."""

import json

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from gateway.accounts.services import deactivate_user
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.models import Sheet
from tests.gateway.batches.sheets.conftest import EMAIL, IBAN, Lab
from tests.gateway.batches.sheets.test_runs import said, table
from tests.support.world import SETUP

NAMES = ("patients-of-ward-7.csv", "diagnosis", "Summarise", IBAN, EMAIL, "echo")


def notified(lab: Lab, content: str) -> Sheet:
    sheet = lab.uploaded(content, name=NAMES[0])
    services.configure(lab.member, sheet, {"model": "auto", "template": "Summarise {{diagnosis}}"})
    return runs.run(lab.member, lab.estimate(sheet), notify=True)


def test_it_says_how_many_and_where_and_nothing_of_the_table(lab: Lab, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://sluice.example"
    lab.answer(lambda body: f"echo: {said(body)}")
    rows = f"id,diagnosis\n1,pay {IBAN}\n2,write {EMAIL}\n"
    sheet = lab.worked(notified(lab, rows))
    (sent,) = mail.outbox
    assert sent.to == [lab.member.email]
    assert sent.subject == f"Sluice: batch {sheet.pk} is completed"
    assert "2 of 2 rows were answered, 0 failed." in sent.body
    text = f"{sent.subject}\n{sent.body}\n{sent.extra_headers}"
    assert [word for word in NAMES if word in text] == []
    assert sent.attachments == []

    (address,) = [line for line in sent.body.splitlines() if line.startswith("https://")]
    client = Client()
    client.force_login(lab.member)
    page = client.get(address.removeprefix("https://sluice.example"))
    assert page.status_code == 200
    assert NAMES[0] in page.content.decode()


def test_it_is_sent_when_the_job_stands_still_and_not_when_somebody_asked_for_that(
    lab: Lab,
) -> None:
    sheet = notified(lab, "id,diagnosis\n1,a\n")
    sheet = lab.worked(sheet, during=lambda: pause(lab, sheet))
    assert (sheet.status, mail.outbox) == ("paused", [])
    again = runs.run(lab.member, sheet)
    sheet = lab.worked(again, during=lambda: lab.publish(rules=[]))
    (sent,) = mail.outbox
    assert "paused" in sent.subject
    assert "0 of 1 rows were answered" in sent.body


def pause(lab: Lab, sheet: Sheet) -> None:
    runs.pause(lab.member, lab.again(sheet))


@pytest.mark.parametrize("asked", [True, False])
def test_only_whoever_asked_for_it_and_is_still_there_gets_it(lab: Lab, asked: bool) -> None:
    sheet = lab.configured(table("a"))
    sheet = runs.run(lab.member, lab.estimate(sheet), notify=asked)
    if asked:
        lab.worked(sheet, during=lambda: deactivate_user(by=SETUP, user=lab.member))
    else:
        lab.answer(lambda _: json.dumps({}))
        lab.worked(sheet)
    assert mail.outbox == []
