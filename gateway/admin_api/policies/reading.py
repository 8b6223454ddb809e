"""How bodies of the policy routes are read: strictly, for a document must have one meaning."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.views import APIView
from typing_extensions import override

from gateway.protocol.json_tree import decode_object
from policies.classification.model_recognizers import (
    DEFAULT_AT_LEAST,
    DEFAULT_OVERLAP,
    DEFAULT_TIMEOUT_S,
    DEFAULT_WINDOW,
    Asks,
)


class StrictJSON(BaseParser):
    """One JSON object: no key twice, no NaN, UTF-8."""

    media_type = "application/json"

    @override
    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The body. Raises InvalidRequest."""
        return decode_object(stream.read())


class PolicyView(APIView):
    """A view whose body is strict JSON."""

    parser_classes = (StrictJSON,)


def read(request: Request, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The body as the serializer reads it. Raises ValidationError."""
    asked = serializer(data=request.data)
    asked.is_valid(raise_exception=True)
    found: dict[str, Any] = asked.validated_data
    return found


def _text(*, long: int = 500, **options: Any) -> serializers.CharField:
    return serializers.CharField(max_length=long, allow_blank=True, default="", **options)


class DocumentBody(serializers.Serializer[Any]):
    """A policy document."""

    document = serializers.DictField(help_text="The policy, as docs/policies.md describes it.")


class JudgedBody(serializers.Serializer[Any]):
    """A document to be judged; left out: the one in effect."""

    document = serializers.DictField(required=False, default=None, allow_null=True)


class QuestionBody(JudgedBody):
    """Statements to be proven; left out: the document's own."""

    statements = serializers.ListField(
        child=serializers.DictField(), required=False, default=None, allow_null=True, max_length=50
    )


class DraftBody(DocumentBody):
    """A draft to be saved. `version`: the one that was edited, 0 for a new draft."""

    version = serializers.IntegerField(min_value=0, default=0)
    base = serializers.IntegerField(
        min_value=0,
        required=False,
        default=None,
        allow_null=True,
        help_text="The revision in effect, once the editor has looked at it.",
    )


class PublishBody(serializers.Serializer[Any]):
    """What is published: the draft of this `version`, or a `document` made from revision `base`."""

    version = serializers.IntegerField(min_value=1, required=False, default=None, allow_null=True)
    document = serializers.DictField(required=False, default=None, allow_null=True)
    base = serializers.IntegerField(min_value=0, required=False, default=None, allow_null=True)
    reason = _text()
    accept_unproven = serializers.BooleanField(default=False)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two; a document says what it was made from."""
        if (attrs["version"] is None) is (attrs["document"] is None):
            raise serializers.ValidationError("Name the draft's version, or send a document.")
        if attrs["document"] is not None and attrs["base"] is None:
            raise serializers.ValidationError(
                {"base": "Say which revision the document was made from; 0: there was none."}
            )
        return attrs


class RollbackBody(serializers.Serializer[Any]):
    """Which revision is published again."""

    number = serializers.IntegerField(min_value=1)
    reason = _text()
    accept_unproven = serializers.BooleanField(default=False)


class NoteBody(serializers.Serializer[Any]):
    """A word for whoever asked."""

    note = _text()


class AgreeBody(NoteBody):
    """Agreeing to a publication."""

    accept_unproven = serializers.BooleanField(default=False)


class ExceptionBody(serializers.Serializer[Any]):
    """An exception. Empty groups, keys or aliases: it does not matter which."""

    name = serializers.CharField(max_length=63)
    rules = serializers.ListField(child=serializers.CharField(max_length=100), max_length=200)
    owner = serializers.EmailField(help_text="Who answers for it.")
    reason = serializers.CharField(max_length=500)
    ends_at = serializers.DateTimeField()
    groups = serializers.ListField(child=serializers.CharField(max_length=100), default=list)
    keys = serializers.ListField(
        child=serializers.CharField(max_length=24), default=list, help_text="Visible prefixes."
    )
    aliases = serializers.ListField(child=serializers.CharField(max_length=200), default=list)


class ShadowBody(serializers.Serializer[Any]):
    """What is put in shadow: a document, the draft of this version, or an old revision."""

    document = serializers.DictField(required=False, default=None, allow_null=True)
    version = serializers.IntegerField(min_value=1, required=False, default=None, allow_null=True)
    revision = serializers.IntegerField(min_value=1, required=False, default=None, allow_null=True)

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one."""
        if sum(attrs[name] is not None for name in ("document", "version", "revision")) != 1:
            raise serializers.ValidationError("Send one of document, version and revision.")
        return attrs


class AskBody(serializers.Serializer[Any]):
    """Which refused request shall pass."""

    project = serializers.CharField(max_length=63)
    decision = serializers.CharField(max_length=100, help_text="Its `x-sluice-decision`.")
    reason = _text()


class GrantBody(NoteBody):
    """For how long it may pass."""

    hours = serializers.FloatField(min_value=0.01, max_value=24 * 30, default=24.0)


class RecognizerBody(serializers.Serializer[Any]):
    """A data class by patterns; docs/recognizers.md says what each field means."""

    category = serializers.CharField(max_length=64)
    patterns = serializers.ListField(child=serializers.CharField(max_length=1000), max_length=10)
    must_match = serializers.ListField(child=serializers.CharField(max_length=1000))
    must_not_match = serializers.ListField(
        child=serializers.CharField(max_length=1000), default=list
    )
    context = serializers.ListField(child=serializers.CharField(max_length=200), default=list)  # type: ignore[assignment]  # a field
    checksum = serializers.CharField(max_length=32, allow_blank=True, default="")
    ignore_case = serializers.BooleanField(default=False)
    score = serializers.FloatField(required=False)


class FindsBody(serializers.Serializer[Any]):
    """A data class that a model finds."""

    data_class = serializers.CharField(max_length=63)
    category = serializers.CharField(max_length=64)
    labels = serializers.ListField(child=serializers.CharField(max_length=200), default=list)
    at_least = serializers.FloatField(default=DEFAULT_AT_LEAST)
    what = serializers.CharField(max_length=200, allow_blank=True, default="")


class ModelRecognizerBody(serializers.Serializer[Any]):
    """A model that is shown what is sent; docs/recognizers.md says what each field means."""

    deployment = serializers.CharField(max_length=63)
    asks = serializers.ChoiceField(choices=[each.value for each in Asks])
    labels = serializers.ListField(child=serializers.CharField(max_length=200), default=list)
    finds = FindsBody(many=True)
    window = serializers.IntegerField(default=DEFAULT_WINDOW)
    overlap = serializers.IntegerField(default=DEFAULT_OVERLAP)
    timeout_s = serializers.FloatField(default=DEFAULT_TIMEOUT_S)


class WordListBody(serializers.Serializer[Any]):
    """Words that are findings of a category."""

    category = serializers.CharField(max_length=64)
    words = serializers.ListField(child=serializers.CharField(max_length=500), max_length=20_000)
