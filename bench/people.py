"""People with few and with many keys, for the measurements."""

import re
from datetime import timedelta
from html import unescape

from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from apikeys.models import ApiKeyRecord


def client_with_keys(username: str, count: int) -> Client:
    """Return a logged-in client of a new person with `count` keys."""
    user = get_user_model().objects.create_user(username)
    now = timezone.now()
    ApiKeyRecord.objects.bulk_create(
        [
            ApiKeyRecord(
                iam_id=user.iam_id,
                account_id=user.account_id,
                created_by=user.iam_id,
                created_at=now + timedelta(seconds=number),
                name=f"key {number:05}",
                description=f"description of key {number:05}",
                name_folded=f"key {number:05}",
                description_folded=f"description of key {number:05}",
                pepper=1,
                digest=f"{username}-{number}",
                hint="apk_…0000",
            )
            for number in range(count)
        ],
        batch_size=1000,
    )
    client = Client()
    client.force_login(user)
    return client


def deepest_page(client: Client, url: str) -> str:
    """Return the address of the last page: the first of the opposite order, turned round."""
    page = client.get(url.replace("?", "?sort=created&")).content.decode()
    found = re.search(r'href="([^"]*at=[^"]*)"', page)
    if found is None:
        raise RuntimeError("the list has no second page")
    return unescape(found[1]).replace("sort=created", "sort=-created")
