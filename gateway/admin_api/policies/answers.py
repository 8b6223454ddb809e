"""What the policy routes answer, for the OpenAPI schema. `shapes` makes it; a test holds them
against each other."""

from rest_framework import serializers as s

from gateway.admin_api.answer_fields import Fields, Texts


class ProblemAnswer(Fields):
    """What is wrong, where, and what to do."""

    pointer = s.CharField(help_text="JSON Pointer into the document.")
    sentence = s.CharField()
    advice = s.CharField()


class RevisionAnswer(Fields):
    """A revision."""

    number = s.IntegerField()
    hash = s.CharField()
    author = s.CharField(help_text="`user:<uuid>` or `system:<part>`.")
    approved_by = s.CharField(allow_null=True)
    reason = s.CharField()
    published_at = s.DateTimeField()
    in_effect = s.BooleanField()


class DifferenceAnswer(Fields):
    """How two documents differ."""

    sentences = Texts()
    changes = s.DictField()
    widens = Texts()


class RevisionWithDocument(RevisionAnswer):
    """A revision with its document."""

    document = s.DictField()
    difference = DifferenceAnswer()


class RuleAnswer(Fields):
    """A rule in words."""

    scope = s.CharField()
    id = s.CharField()
    sentence = s.CharField()
    shadow = s.BooleanField()
    recipe = s.CharField(allow_null=True)
    suspended_by = Texts()


class ExceptionAnswer(Fields):
    """An exception."""

    id = s.UUIDField()
    project = s.CharField()
    name = s.CharField()
    rules = Texts()
    groups = Texts()
    keys = Texts()
    aliases = Texts()
    owner = s.EmailField()
    reason = s.CharField()
    created_by = s.CharField()
    created_at = s.DateTimeField()
    ends_at = s.DateTimeField()
    ended_at = s.DateTimeField(allow_null=True)
    ended_by = s.CharField(allow_null=True)
    holds = s.BooleanField()


class WaitingExceptionAnswer(Fields):
    """An exception that waits for a second person, or did. `exception`: what came of it."""

    id = s.UUIDField()
    project = s.CharField()
    name = s.CharField()
    state = s.CharField()
    says = s.DictField(child=s.CharField(), help_text="What each rule said when it was asked for.")
    groups = Texts()
    keys = Texts()
    aliases = Texts()
    owner = s.EmailField()
    reason = s.CharField()
    ends_at = s.DateTimeField()
    author = s.CharField()
    requested_at = s.DateTimeField()
    decided_by = s.CharField(allow_null=True)
    decided_at = s.DateTimeField(allow_null=True)
    note = s.CharField()
    exception = s.UUIDField(allow_null=True)
    may_agree = s.BooleanField(help_text="Whether whoever reads this may be the second person.")


class OverviewAnswer(Fields):
    """A policy as people look at it."""

    revision = RevisionAnswer(allow_null=True)
    document = s.DictField(allow_null=True)
    readable = s.BooleanField()
    floor = s.CharField(allow_null=True)
    rules = RuleAnswer(many=True)
    never = Texts()
    exceptions = ExceptionAnswer(many=True)
    draft = s.IntegerField(allow_null=True, help_text="Its version.")
    waiting = s.UUIDField(allow_null=True, help_text="A publication that waits.")


class DraftAnswer(Fields):
    """A draft."""

    document = s.DictField()
    version = s.IntegerField()
    base = s.IntegerField()
    updated_by = s.CharField()
    updated_at = s.DateTimeField()
    problems = ProblemAnswer(many=True)


class TestAnswer(Fields):
    """What came of one test."""

    pointer = s.CharField()
    alias = s.CharField()
    passed = s.BooleanField()
    problems = Texts()
    outcome = s.CharField(allow_null=True)
    deployment = s.CharField(allow_null=True)
    zone = s.CharField(allow_null=True)
    masked = s.IntegerField()
    rules = Texts()


class ProofAnswer(Fields):
    """What came of one `never` statement in one project."""

    project = s.CharField()
    scope = s.CharField()
    pointer = s.CharField()
    statement = s.CharField()
    proven = s.BooleanField()
    counterexample = s.CharField(allow_null=True)
    checked = s.IntegerField()
    states = s.IntegerField()
    sentence = s.CharField()


class VerdictAnswer(Fields):
    """Whether a document may take effect."""

    passes = s.BooleanField()
    problems = ProblemAnswer(many=True)
    tests = TestAnswer(many=True)
    proofs = ProofAnswer(many=True)
    consequences = Texts()


class CheckAnswer(VerdictAnswer):
    """A verdict, and what would change."""

    difference = DifferenceAnswer()


class LintAnswer(Fields):
    """One oddity."""

    kind = s.CharField()
    subject = s.CharField()
    sentence = s.CharField()
    advice = s.CharField()


class PublicationAnswer(Fields):
    """A publication that takes a second person."""

    id = s.UUIDField()
    project = s.CharField(allow_null=True)
    state = s.CharField()
    author = s.CharField()
    reason = s.CharField()
    requested_at = s.DateTimeField()
    base = s.IntegerField()
    hash = s.CharField()
    widens = Texts()
    decided_by = s.CharField(allow_null=True)
    decided_at = s.DateTimeField(allow_null=True)
    note = s.CharField()
    revision = s.IntegerField(allow_null=True)


class PublicationWithDocument(PublicationAnswer):
    """With what it would change."""

    document = s.DictField()
    difference = DifferenceAnswer()
    verdict = VerdictAnswer()


class PublishedAnswer(Fields):
    """In effect, or waiting for a second person."""

    revision = RevisionAnswer(allow_null=True)
    waiting = PublicationAnswer(allow_null=True)


class ApprovalAnswer(Fields):
    """An approval of one request."""

    id = s.UUIDField()
    project = s.CharField()
    state = s.CharField()
    decision = s.CharField()
    digest = s.CharField()
    rules = Texts()
    alias = s.CharField()
    endpoint = s.CharField()
    sensitivity = s.CharField()
    categories = Texts()
    classes = s.DictField(child=s.IntegerField())
    asked_by = s.CharField()
    asked_at = s.DateTimeField()
    reason = s.CharField()
    decided_by = s.CharField(allow_null=True)
    decided_at = s.DateTimeField(allow_null=True)
    note = s.CharField()
    expires_at = s.DateTimeField(allow_null=True)
    may_decide = s.BooleanField()


class ShadowAnswer(Fields):
    """What is in shadow."""

    document = s.DictField()
    hash = s.CharField()
    source = s.CharField()  # type: ignore[assignment]  # a field
    started_by = s.CharField()
    started_at = s.DateTimeField()


class MoveAnswer(Fields):
    """Requests that would go elsewhere."""

    before = s.CharField()
    after = s.CharField()
    count = s.IntegerField()
    deployments = s.DictField(child=s.IntegerField())
    decisions = Texts()


class MaskChangeAnswer(Fields):
    """Findings of one data class that would be masked otherwise; no mode: not masked."""

    data_class = s.CharField()
    before = s.CharField(allow_null=True)
    after = s.CharField(allow_null=True)
    findings = s.IntegerField()
    requests = s.IntegerField()


class ChangesAnswer(Fields):
    """What would have been decided, against what was."""

    sentence = s.CharField()
    since = s.DateTimeField()
    decided = s.IntegerField()
    moved = s.IntegerField()
    masked = s.IntegerField()
    failed = s.IntegerField()
    partial = s.BooleanField()  # type: ignore[assignment]  # a field
    moves = MoveAnswer(many=True)
    masks = MaskChangeAnswer(many=True)


class RuleInShadowAnswer(Fields):
    """What one shadow rule would have changed, alone in effect."""

    rule = s.CharField()
    matched = s.IntegerField()
    changes = ChangesAnswer()


class ComparisonAnswer(Fields):
    """What is in shadow, against what was decided."""

    policy = ChangesAnswer(allow_null=True)
    rules = RuleInShadowAnswer(many=True)


class RecognizerAnswer(Fields):
    """A recognizer."""

    name = s.CharField()
    data_class = s.CharField()
    category = s.CharField()
    patterns = Texts()
    context = Texts()  # type: ignore[assignment]  # a field
    checksum = s.CharField()
    ignore_case = s.BooleanField()
    score = s.FloatField()
    must_match = Texts()
    must_not_match = Texts()


class FindsAnswer(Fields):
    """A data class that a model finds."""

    data_class = s.CharField()
    category = s.CharField()
    labels = Texts()
    at_least = s.FloatField()
    what = s.CharField()


class ModelRecognizerAnswer(Fields):
    """A model that is shown what is sent."""

    name = s.CharField()
    deployment = s.CharField()
    asks = s.CharField()
    labels = Texts()
    finds = FindsAnswer(many=True)
    window = s.IntegerField()
    overlap = s.IntegerField()
    timeout_s = s.FloatField()


class WordListAnswer(Fields):
    """A word list without its words."""

    name = s.CharField()
    data_class = s.CharField()
    category = s.CharField()
    count = s.IntegerField()


class WordListWithWords(WordListAnswer):
    """With its words."""

    words = Texts()
