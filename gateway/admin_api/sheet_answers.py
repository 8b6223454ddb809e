"""What the routes of spreadsheets take and answer, for the OpenAPI schema. `shape` makes it; a test
holds them against each other."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s

from gateway.admin_api.answer_fields import Fields, Texts
from gateway.batches.sheets.marks import Fate
from gateway.batches.sheets.models import SheetStatus
from gateway.batches.sheets.setup import Kind
from gateway.batches.sheets.writing import Format
from gateway.inference.limits import AtEnd, Period, Scope


class Numbers(s.ListField):
    """A list of rows, from 1 below the header."""

    child = s.IntegerField(min_value=1)


class ExamplesBody(Fields):
    """Rows that show the model what to answer."""

    rows = Numbers()
    answer = s.CharField(help_text="The column with their answers.")


class SetupBody(Fields):
    """What is done with each row."""

    model = s.CharField(help_text="A model alias of the project.")
    template = s.CharField(help_text="Text with {{column}}.")
    kind = s.ChoiceField([each.value for each in Kind], required=False)
    system = s.CharField(required=False, allow_blank=True)
    examples = ExamplesBody(required=False, allow_null=True)
    schema = s.DictField(
        required=False, allow_null=True, help_text="JSON Schema of the answer, for the kind chat."
    )
    labels = Texts(required=False, help_text="For the kind classification.")
    temperature = s.FloatField(required=False, allow_null=True, min_value=0, max_value=2)
    max_tokens = s.IntegerField(required=False, allow_null=True, min_value=1)


class StoredBody(Fields):
    """A table that was stored with `POST /v1/files`."""

    file_id = s.CharField(max_length=40)
    name = s.CharField(max_length=255, required=False)
    declare = s.CharField(max_length=500, required=False, default="", allow_blank=True)
    sheet = s.CharField(max_length=100, required=False, default="", allow_blank=True)


class RunBody(Fields):
    """How to run it."""

    notify = s.BooleanField(required=False, default=False, help_text="A mail when it is done.")


class RetryBody(Fields):
    """Which rows to send again."""

    codes = s.ListField(
        child=s.CharField(max_length=60),
        required=False,
        default=list,
        help_text="Rows that failed for one of these; empty: all that failed.",
    )
    model = s.CharField(
        max_length=200,
        required=False,
        default="",
        allow_blank=True,
        help_text="Another alias; the policy decides anew.",
    )


class CountsAnswer(Fields):
    """Rows by what became of them, those of the run under way included."""

    rows = s.IntegerField()
    examples = s.IntegerField()
    completed = s.IntegerField()
    failed = s.IntegerField()
    pending = s.IntegerField()


class RangeAnswer(Fields):
    """US dollars as decimal text."""

    least = s.CharField()
    most = s.CharField()


class SecondsAnswer(Fields):
    """Seconds."""

    least = s.IntegerField()
    most = s.IntegerField()


class DestinationAnswer(Fields):
    """Where rows go first."""

    name = s.CharField(help_text="The zone, with `_masked` where something is masked.")
    deployment = s.CharField()
    zone = s.CharField()
    masked = s.BooleanField()


class DestinationEstimate(DestinationAnswer):
    """A destination and the rows that would go there."""

    rows = s.IntegerField()
    tokens = s.IntegerField()
    cost_usd = RangeAnswer(allow_null=True)
    samples = Numbers()


class HeldAnswer(Fields):
    """Why a row would go nowhere."""

    code = s.CharField()
    rules = Texts()
    sentence = s.CharField()


class HeldEstimate(HeldAnswer):
    """A reason and the rows that it holds."""

    rows = s.IntegerField()
    samples = Numbers()


class LabelAnswer(Fields):
    """A label; without a sensitivity nothing was labelled yet."""

    sensitivity = s.CharField(allow_null=True)
    categories = Texts()


class TokensAnswer(Fields):
    """Tokens, reckoned before anything is sent."""

    input = s.IntegerField()
    output_most = s.IntegerField()
    output_is_assumed = s.BooleanField(help_text="The setup limits no answer.")


class EstimateAnswer(Fields):
    """The dry run over all rows that are left. Holds for one policy."""

    rows = s.IntegerField()
    to_send = s.IntegerField()
    destinations = DestinationEstimate(many=True)
    held = HeldEstimate(many=True)
    label_ = LabelAnswer()
    rows_with = s.DictField(child=s.IntegerField(), help_text="Rows by data class.")
    tokens = TokensAnswer()
    cost_usd = RangeAnswer(allow_null=True)
    time_s = SecondsAnswer(allow_null=True)
    every_row_has = s.DictField(
        child=s.IntegerField(), help_text="What the prompt itself holds, by data class."
    )
    revision = s.CharField(help_text="Of the policy that it holds for.")


class BudgetLeftAnswer(Fields):
    """A budget that the rows would be paid from."""

    name = s.CharField()
    scope = s.ChoiceField([each.value for each in Scope])
    period = s.ChoiceField([each.value for each in Period])
    hard = s.BooleanField()
    at_end = s.ChoiceField([each.value for each in AtEnd])
    left_usd = s.CharField(allow_null=True, help_text="Null: not for this reader.")
    enough = s.BooleanField(allow_null=True, help_text="For the highest cost; null: unknown.")


class UsedAnswer(Fields):
    """What the runs took."""

    prompt_tokens = s.IntegerField()
    completion_tokens = s.IntegerField()
    cost_usd = s.CharField()
    unpriced = s.IntegerField(help_text="Answers without a known price.")


class ListedSheet(Fields):
    """A spreadsheet: everything but its rows."""

    id = s.CharField()
    object = s.CharField()
    name = s.CharField()
    columns = Texts()
    status = s.ChoiceField([each.value for each in SheetStatus])
    reason = s.CharField(allow_null=True)
    created_by = s.CharField()
    created_at = s.IntegerField()
    started_at = s.IntegerField(allow_null=True)
    ended_at = s.IntegerField(allow_null=True)
    declared = s.CharField(allow_blank=True)
    setup = SetupBody(allow_null=True)
    answer_columns = Texts()
    counts = CountsAnswer()
    failures = s.DictField(child=s.IntegerField(), help_text="Rows by the code of their failure.")
    estimate = EstimateAnswer(allow_null=True)
    estimated = s.IntegerField(help_text="Rows that the estimate has decided about so far.")
    label_ = LabelAnswer()
    usage = UsedAnswer()
    runs = s.IntegerField()
    batch_id = s.CharField(allow_null=True)
    notify = s.BooleanField()


class SheetAnswer(ListedSheet):
    """A spreadsheet, to whoever made it with what is left of their budgets."""

    budgets = BudgetLeftAnswer(many=True)


class SheetsAnswer(Fields):
    """A page of spreadsheets, the newest first."""

    object = s.CharField()
    data_ = ListedSheet(many=True)
    has_more = s.BooleanField()


class FindingAnswer(Fields):
    """What was found where; never the text."""

    class_ = s.CharField()
    category = s.CharField()
    place = s.CharField(help_text="JSON Pointer into the request.")
    start = s.IntegerField()
    end = s.IntegerField()


class MarkAnswer(Fields):
    """What was found in a text, or what stands there in its place, and what becomes of it."""

    class_ = s.CharField()
    start = s.IntegerField()
    end = s.IntegerField(help_text="The same as `start` where something is taken out.")
    fate = s.ChoiceField(choices=[each.value for each in Fate])


class MessageAnswer(Fields):
    """A message exactly as its destination would get it."""

    role = s.CharField()
    text = s.CharField()
    marks = MarkAnswer(many=True)


class RowAnswer(Fields):
    """A row as it would be sent. Either `destination` or `held` is there."""

    row = s.IntegerField()
    destination = DestinationAnswer(allow_null=True)
    held = HeldAnswer(allow_null=True)
    tokens = s.IntegerField()
    cost_usd_most = s.CharField(allow_null=True)
    label_ = LabelAnswer(allow_null=True)
    rules = Texts()
    findings = FindingAnswer(many=True)
    prompt = MessageAnswer(many=True)


class RowsAnswer(Fields):
    """Some rows as they would be sent."""

    object = s.CharField()
    data_ = RowAnswer(many=True)


PAGING = [OpenApiParameter("limit", int), OpenApiParameter("after", str)]
PREVIEWING = [OpenApiParameter("count", int), OpenApiParameter("after", int)]
UPLOADING = [
    OpenApiParameter("name", str, description="The file's; its end says the format."),
    OpenApiParameter("declare", str),
    OpenApiParameter("sheet", str, description="Of a workbook; without: the first."),
]
DOWNLOADING = [OpenApiParameter("as", str, enum=[each.value for each in Format])]
