"""b_d: the body as one vendor may see it, with what the rules say replaced (semantic rule 5).

INVARIANT: what comes out of here was scanned again, and nothing is left in doubt: whatever cannot
be replaced in place, read again or scanned raises, and the engine then drops the candidate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.inference.contracts import ProjectView
from gateway.inference.label import Labelled, Scanned, scan
from gateway.protocol.arguments import Part, replace_in_json
from gateway.protocol.requests import RelayRequest, read_tree
from gateway.protocol.rewrite import Unmaskable, rewrite
from policies.classification.findings import Finding
from policies.classification.masking import Masking, Placed, Replacement
from policies.engine.labels import Label
from policies.engine.permit import Candidate, MaskMode, strictest_mode

Modes = tuple[tuple[str, MaskMode], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What one candidate is sent. `minted`: placeholder -> value; None: nothing was masked.
    `placed`: what was replaced, for each text by its index; not within a tool call's arguments."""

    request: RelayRequest
    minted: Mapping[str, str] | None = field(default=None, repr=False)
    placed: Mapping[int, Sequence[Placed]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Masked:
    outgoing: Outgoing
    label: Label  # of what the second scan found


class RequestMasking:
    """The masked bodies of one request, each made once for a vendor and a set of modes.

    Implements `policies.engine.judge.Masker`.
    """

    __slots__ = ("_failed", "_labelled", "_made", "_request", "_view")

    def __init__(self, request: RelayRequest, labelled: Labelled, view: ProjectView) -> None:
        self._request = request
        self._labelled = labelled
        self._view = view
        self._made: dict[tuple[bytes, Modes], _Masked] = {}
        self._failed: set[tuple[bytes, Modes]] = set()

    def __call__(self, *, deployment: str, modes: Modes) -> Label:
        """The label of what is still found after masking. Raises when that cannot be known."""
        place = (self._view.masking_keys[deployment], modes)
        made = self._made.get(place)
        if made is None:
            try:
                made = self._made[place] = self._mask(place[0], modes)
            except Exception:
                self._failed.add(place)
                raise
        return made.label

    def known(self, *, deployment: str, modes: Modes) -> Label | None:
        """What `__call__` said before, without masking anything; None: it was never asked.

        Raises Unmaskable where it could not say.
        """
        place = (self._view.masking_keys[deployment], modes)
        if place in self._failed:
            raise Unmaskable("it could not be masked before")
        made = self._made.get(place)
        return None if made is None else made.label

    def outgoing(self, candidate: Candidate) -> Outgoing:
        """What the candidate is sent. Raises KeyError when it was never made."""
        place = (self._view.masking_keys[candidate.deployment], candidate.modes)
        return self._made[place].outgoing

    def _mask(self, key: bytes, modes: Modes) -> _Masked:
        labelled, before = self._labelled, self._request
        replacements = self._replacements(modes)
        masking = Masking(key)
        placed: dict[int, Sequence[Placed]] = {}

        def replace(index: int, text: str, in_arguments: bool) -> str:
            wanted = replacements[index]
            masked = _in_arguments(masking, text, wanted) if in_arguments else None
            if masked is None:
                masked = masking.apply(text, wanted)
                placed[index] = masking.placed
            return masked

        tree = rewrite(
            before.tree,
            texts=labelled.texts,
            places=replacements,
            replace=replace,
            payloads=before.payloads,
        )
        # Read anew, so that nothing that was taken out makes something else of what is left.
        after = read_tree(before.endpoint, tree)
        if not (
            after.reach_out <= before.reach_out
            and after.modalities <= before.modalities
            and after.opaque <= before.opaque
            and (after.stream, after.include_usage) == (before.stream, before.include_usage)
        ):
            raise Unmaskable("the body would mean something else")
        label = self._label(scan(after, self._view), masking)
        outgoing = Outgoing(request=after, minted=masking.minted, placed=placed)
        return _Masked(outgoing, label)

    def _replacements(self, modes: Modes) -> dict[int, list[Replacement]]:
        """By text. Raises Unmaskable for a finding that no single text holds."""
        labelled = self._labelled
        replacements: dict[int, list[Replacement]] = {}
        left = dict(labelled.data_classes)
        wanted = {name: _mode(modes, labelled, name) for name in left}
        for finding in labelled.findings:
            name = finding.data_class
            left[name] -= 1
            mode = wanted[name]
            if mode is not None:
                replacements.setdefault(finding.field, []).append(
                    Replacement(finding.start, finding.end, name, mode.value)
                )
        if any(count and wanted[name] for name, count in left.items()):
            raise Unmaskable("a finding stands across the border of two text parts")
        return replacements

    def _label(self, scanned: Scanned, masking: Masking) -> Label:
        taxonomy = self._view.policy.taxonomy
        if scanned.opaque:
            return taxonomy.worst
        texts = scanned.walked.texts
        categories = {each.category for each in scanned.across.findings}
        categories.update(
            each.category
            for each in scanned.analysis.findings
            if not _is_own(each, texts[each.field], masking)
        )
        return taxonomy.join((Label(categories=frozenset(categories)),))


def _mode(modes: Modes, labelled: Labelled, name: str) -> MaskMode | None:
    return strictest_mode(modes, name, labelled.class_labels[name].categories)


def _is_own(finding: Finding, text: str, masking: Masking) -> bool:
    return masking.covers(text, finding.start, finding.end)


def _in_arguments(masking: Masking, text: str, wanted: list[Replacement]) -> str | None:
    """A tool call's arguments with the values replaced that their literals stand for."""

    def replace(value: str, parts: list[Part]) -> str:
        return masking.apply(
            value, [wanted[at]._replace(start=start, end=end) for start, end, at in parts]
        )

    return replace_in_json(text, [(each.start, each.end) for each in wanted], replace)
