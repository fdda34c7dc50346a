"""What happens to keys when something happens to people."""

from typing import Any

from apikeys import services
from apikeys.domain import Identity


def delete_keys_of_deleted_user(instance: Any, **kwargs: Any) -> None:
    services.delete_identity(
        Identity(iam_id=instance.iam_id, account_id=instance.account_id, name=instance.get_full_name(), email="")
    )
