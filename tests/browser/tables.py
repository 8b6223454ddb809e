"""A table for the Batches page, and the words to drive it by what screen readers read."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

COMMENTS = (
    "the food was warm and on time",
    "please write to ward4@example.org about the parking",
    "refund to DE89 3704 0044 0532 0130 00 never came",
    "the night shift was kind",
)
WARDS = ("Cardiology", "Oncology", "Geriatrics")
COLUMNS = ("ward", "comment", "month", "score")


def feedback(rows: int) -> bytes:
    """A CSV of comments: of each four one is masked for a cloud and one stays in the house."""
    lines = [",".join(COLUMNS)]
    lines += [
        f"{WARDS[at % 3]},{COMMENTS[at % 4]},2026-{at % 12 + 1:02},{at % 5 + 1}"
        for at in range(rows)
    ]
    return ("\n".join(lines) + "\n").encode()


class Tables:
    """The pages of one project's tables."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.prompt = page.get_by_label("Prompt for each row")
        self.state = page.get_by_role("complementary", name="State")
        self.preview = page.get_by_role("region", name="Preview")

    def upload(self, content: bytes, name: str = "feedback.csv") -> None:
        self.page.goto("/p/demo/batches/")
        self.page.get_by_label("Table", exact=True).set_input_files(
            {"name": name, "mimeType": "text/csv", "buffer": content}
        )
        self.page.get_by_role("button", name="Upload").click()

    def ask(self, *, model: str = "auto") -> None:
        """The prompt, its columns put in by their chips; then the estimate."""
        self.prompt.fill("Classify the comment on ward ")
        self.page.get_by_role("button", name="ward", exact=True).click()
        self.prompt.press_sequentially(": ")
        self.page.get_by_role("button", name="comment").click()
        expect(self.prompt).to_have_value("Classify the comment on ward {{ward}}: {{comment}}")
        self.estimate(model=model)

    def estimate(self, *, model: str) -> None:
        self.page.get_by_label("Model").select_option(model)
        self.page.get_by_role("button", name="Preview and estimate").click()
        expect(self.page.get_by_role("button", name="Run")).to_be_visible(timeout=30_000)

    def run(self, rows: int) -> None:
        self.page.get_by_role(
            "button", name=re.compile(f"^Run {rows:,} rows$".replace(",", ",?"))
        ).click()

    def ended(self, words: str) -> None:
        """Wait until its state says so."""
        expect(self.state.get_by_role("status")).to_contain_text(words, timeout=60_000)

    def count(self, badge: str) -> Locator:
        """How many rows go to what the badge names."""
        return self.state.locator(".counts li", has=self.page.locator(f"[data-badge={badge}]"))

    def download(self, word: str) -> bytes:
        with self.page.expect_download() as started:
            self.state.get_by_role("link", name=word, exact=True).click()
        return Path(started.value.path()).read_bytes()
