"""JSON Schemas for answers: which are taken, and whether an answer fits.

INVARIANT: checking fetches nothing and takes linear time: no reference leaves the schema, and
patterns are handed to the model server but not run here.
"""

from typing import Any

import msgspec
from jsonschema import (  # type: ignore[import-untyped]
    Draft202012Validator,
    SchemaError,
)
from jsonschema.validators import extend  # type: ignore[import-untyped]
from referencing import Registry

from gateway.protocol.errors import InvalidRequest

MAX_SCHEMA_BYTES = 64 * 1024
MAX_FIELDS = 100


def _unchecked(*_: object) -> None:
    return None


_Validator = extend(Draft202012Validator, {"pattern": _unchecked, "patternProperties": _unchecked})


def check_schema(schema: dict[str, Any]) -> None:
    """Raises InvalidRequest unless it describes an object with fields."""
    if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
        raise InvalidRequest(
            f"The schema is larger than {MAX_SCHEMA_BYTES // 1024} KiB.", param="schema"
        )
    fields = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(fields, dict) or not fields:
        raise InvalidRequest(
            "The schema must be of `type` object and have `properties`: they become columns.",
            param="schema",
        )
    if len(fields) > MAX_FIELDS:
        raise InvalidRequest(f"The schema has more than {MAX_FIELDS} fields.", param="schema")
    if not all(_is_inside(reference) for reference in _references(schema)):
        raise InvalidRequest(
            "A `$ref` of the schema must point inside of it and begin with #.", param="schema"
        )
    try:
        _Validator.check_schema(schema)
    except SchemaError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        raise InvalidRequest(
            f"This is no JSON Schema (at /{place[:200]}).", param="schema"
        ) from None


def fits(answer: object, schema: dict[str, Any]) -> bool:
    """Whether an answer is what the schema describes."""
    try:
        return bool(_Validator(schema, registry=Registry()).is_valid(answer))
    except Exception:  # noqa: BLE001 -- a reference into nothing, or a schema that goes in circles
        return False


def _references(node: object) -> list[object]:
    found: list[object] = []
    if isinstance(node, dict):
        found += [node[name] for name in ("$ref", "$dynamicRef", "$id", "$schema") if name in node]
        for value in node.values():
            found += _references(value)
    elif isinstance(node, list):
        for value in node:
            found += _references(value)
    return found


def _is_inside(reference: object) -> bool:
    # A property may be called $ref: then it is an object, and no reference.
    return not isinstance(reference, str) or reference.startswith(
        ("#", "https://json-schema.org/draft/2020-12/")
    )
