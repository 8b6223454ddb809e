"""One translator for the whole folder: importing litellm takes seconds."""

from tests.gateway.providers.cloud_house import house as house  # noqa: PLC0414 -- the fixture
