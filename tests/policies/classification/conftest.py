"""Analysers with and without Hyperscan, and ways to write down what they must find."""

from collections.abc import Callable

import pytest

from policies.classification.analyser import Analyser

Found = list[tuple[str, str]]
Find = Callable[..., Found]


@pytest.fixture(scope="session")
def analyser() -> Analyser:
    return Analyser(budget_s=60)


@pytest.fixture(scope="session")
def plain_analyser() -> Analyser:
    """The same recognizers where Hyperscan is missing."""
    return Analyser(budget_s=60, use_hyperscan=False)


@pytest.fixture(scope="session")
def find(analyser: Analyser) -> Find:
    """(class, text of the finding) for each finding in the texts."""

    def found(*texts: str) -> Found:
        analysis = analyser.analyse(list(texts))
        assert not analysis.opaque, analysis.opaque
        return [(f.data_class, texts[f.field][f.start : f.end]) for f in analysis.findings]

    return found
