"""The label of a request: floors, declared, inherited, found, opaque. It only ever rises.

A scan that failed or ran out of time is not an error here: it makes the request opaque, which no
deployment off on_prem is cleared for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.inference.contracts import Principal, ProjectView
from gateway.protocol.errors import InvalidRequest
from gateway.protocol.requests import RelayRequest
from gateway.protocol.walk import Walked, walk
from policies.classification.findings import Analysis, Finding
from policies.engine.labels import PUBLIC, Label, Sensitivity, Taxonomy

# Which relaxation of a policy covers which opaque part. INVARIANT: nothing else is ever relaxed,
# failed scans least of all.
RELAXED_BY = {"encoded_text": "encoded_text", "image": "images"}
# What says that texts were not searched to their end.
UNREAD = frozenset({"scan_failed", "scan_budget", "model_recognizer"})
_SENSITIVITIES = {member.word: member for member in Sensitivity}
_NO_COUNTS: Mapping[str, int] = {}
_NO_LABELS: Mapping[str, Label] = {}
_NO_REASONS: frozenset[str] = frozenset()
_NOTHING_FOUND = Analysis()


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A label with its grounds. `unmaskable` is the part of it that masking cannot take away.

    `passes_on` is what everything made of this request inherits (semantic rule 7): what was
    declared, the key's floor, what it inherited itself, and the worst when a part was opaque.
    Found text is not among it: where it travels again it is scanned again.
    `findings` point into the walked texts by index (those across two texts are only counted);
    `opaque` holds the reasons that counted; `texts` what the findings point into.
    """

    label: Label
    unmaskable: Label
    passes_on: Label
    declared: str
    data_classes: Mapping[str, int]
    class_labels: Mapping[str, Label]
    findings: tuple[Finding, ...]
    opaque: frozenset[str]
    texts: Sequence[str] = field(repr=False)


class Scanned(NamedTuple):
    """What one scan of a body says. `across` holds what stands across the border of two text
    parts; `opaque` the reasons that the policy does not relax."""

    walked: Walked
    analysis: Analysis
    across: Analysis
    opaque: frozenset[str]


def scan(request: RelayRequest, view: ProjectView) -> Scanned:
    """Look for everything in every key and scalar. CPU only, no I/O."""
    walked = walk(request.tree, payloads=request.payloads)
    analysis = view.analyser.analyse(walked.texts)
    across = _across(walked.seams, view) if walked.seams else _NOTHING_FOUND
    opaque = _NO_REASONS
    if request.opaque or walked.token_arrays or analysis.opaque or across.opaque:
        reasons = request.opaque | analysis.opaque | across.opaque
        if walked.token_arrays:
            reasons |= {"token_ids"}
        relax = view.policy.relax
        opaque = frozenset(reason for reason in reasons if RELAXED_BY.get(reason) not in relax)
    return Scanned(walked, analysis, across, opaque)


def read_declaration(words: str, taxonomy: Taxonomy) -> Label:
    """`confidential, health` as a label. Raises InvalidRequest for a word it does not know.

    A misspelt declaration must not pass as none at all.
    """
    sensitivity = Sensitivity.PUBLIC
    categories: set[str] = set()
    for piece in words.split(","):
        word = piece.strip().lower()
        if not word:
            continue
        if word in _SENSITIVITIES:
            sensitivity = max(sensitivity, _SENSITIVITIES[word])
        elif word in taxonomy.minimums:
            categories.add(word)
        else:
            known = ", ".join([*_SENSITIVITIES, *sorted(taxonomy.minimums)])
            raise InvalidRequest(
                f"{word!r} is neither a sensitivity nor a category of this project: "
                f"declare any of {known}.",
                param="x-sluice-declare",
            )
    return Label(sensitivity, frozenset(categories))


def label_request(
    request: RelayRequest,
    *,
    view: ProjectView,
    principal: Principal,
    declared: str = "",
    inherited: Label = PUBLIC,
) -> Labelled:
    """Scan every key and scalar and join everything that is known. CPU only, no I/O.

    Raises InvalidRequest for a declaration that names nothing we know.
    """
    policy = view.policy
    taxonomy = policy.taxonomy
    scanned = scan(request, view)
    analysis, across, opaque = scanned.analysis, scanned.across, scanned.opaque

    # A key's floor is what its owner declared for all that it sends.
    lasting = [principal.floor, inherited]
    if request.declared:
        declared = f"{declared}, {request.declared}" if declared else request.declared
    if declared:
        stated = read_declaration(declared, taxonomy)
        declared = ", ".join([stated.sensitivity.word, *sorted(stated.categories)])
        lasting.append(stated)
    if opaque:
        lasting.append(taxonomy.worst)
    passes_on = taxonomy.join(lasting)

    # No single text holds these, so they cannot be masked.
    crossing = [Label(categories=frozenset({each.category})) for each in across.findings]
    unmaskable = taxonomy.join([policy.floor, passes_on, *crossing])

    if not analysis.findings and not across.findings:
        return Labelled(
            label=unmaskable,
            unmaskable=unmaskable,
            passes_on=passes_on,
            declared=declared,
            data_classes=_NO_COUNTS,
            class_labels=_NO_LABELS,
            findings=(),
            opaque=opaque,
            texts=scanned.walked.texts,
        )
    counts: dict[str, int] = {}
    labels: dict[str, Label] = {}
    for finding in (*analysis.findings, *across.findings):
        name = finding.data_class
        counts[name] = counts.get(name, 0) + 1
        had = labels.get(name)
        if had is None or finding.category not in had.categories:
            # Two recognizers may give one class two categories: both count.
            found = Label(PUBLIC.sensitivity, frozenset({finding.category}))
            labels[name] = taxonomy.join((found,) if had is None else (had, found))
    return Labelled(
        label=taxonomy.join((unmaskable, *labels.values())),
        unmaskable=unmaskable,
        passes_on=passes_on,
        declared=declared,
        data_classes=counts,
        class_labels=labels,
        findings=analysis.findings,
        opaque=opaque,
        texts=scanned.walked.texts,
    )


def _across(seams: list[tuple[str, int]], view: ProjectView) -> Analysis:
    """What stands across the border of two text parts, and only that."""
    analysis = view.analyser.analyse([text for text, _ in seams])
    crossing = tuple(
        finding
        for finding in analysis.findings
        if finding.start < seams[finding.field][1] < finding.end
    )
    return Analysis(findings=crossing, opaque=analysis.opaque)
