"""What the descriptions of answers are made of, for the OpenAPI schema."""

from typing import Any

from rest_framework import serializers as s
from typing_extensions import override


class Fields(s.Serializer[Any]):
    """A field whose name Python or the framework has taken has an underscore behind it here."""

    @override
    def get_fields(self) -> dict[str, s.Field[Any, Any, Any, Any]]:
        """With their names on the wire."""
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}


class Texts(s.ListField):
    """A list of texts."""

    child = s.CharField()
