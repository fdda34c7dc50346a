"""The row of a key that was made, as the database has it now."""

from apikeys.domain import IssuedApiKey
from apikeys.models import ApiKeyRecord


def record_of(issued: IssuedApiKey) -> ApiKeyRecord:
    return ApiKeyRecord.objects.get(id=issued.key.id)


def columns_of(issued: IssuedApiKey) -> dict[str, object]:
    return ApiKeyRecord.objects.filter(id=issued.key.id).values().get()
