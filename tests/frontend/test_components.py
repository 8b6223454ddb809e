"""One folder a component; only style sheets and modules of it reach a browser."""

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from frontend.component_files import FOLDER, style_sheets
from tests.frontend.conftest import SignIn


def test_style_sheets_and_modules_are_served_and_templates_are_not(client: Client) -> None:
    assert client.get("/static/components/badge/badge.css").status_code == 200
    assert client.get("/static/components/frame/frame.js").status_code == 200
    assert finders.find("components/badge/badge.html") is None
    assert client.get("/static/components/badge/badge.html").status_code == 404
    assert finders.find("components/../badges.py") is None


def test_a_component_that_is_not_there_is_an_error_and_no_dead_link() -> None:
    with pytest.raises(LookupError, match="no-such"):
        style_sheets(["no-such"])


def test_each_file_of_a_component_has_its_folder_or_stands_beside_its_own() -> None:
    for folder in FOLDER.iterdir():
        names = {file.stem for file in folder.iterdir()}
        assert folder.name in names, folder.name


def test_the_rail_shows_the_organisation_to_those_who_administer_it(signed_in: SignIn) -> None:
    assert b'href="/admin/"' in signed_in("admin").get("/").content
    assert b'href="/admin/"' not in signed_in("member").get("/").content
