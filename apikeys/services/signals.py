"""What happens to keys and tokens when something happens to people."""

from typing import Any

from apikeys.backends import store_traits
from apikeys.domain import Identity
from apikeys.services import deletion
from apikeys.upstream import sessions


def delete_keys_of_deleted_user(instance: Any, **kwargs: Any) -> None:
    """A person was deleted: their keys end, save at an upstream IAM, whose keys are not this console's to end."""
    if store_traits().is_upstream:
        return
    deletion.delete_identity(
        Identity(iam_id=instance.iam_id, account_id=instance.account_id, name=instance.get_full_name(), email="")
    )


def forget_iam_login(request: Any, **kwargs: Any) -> None:
    """A person logged out: the session's tokens for the upstream IAM are deleted."""
    session_key = request.session.session_key if request is not None else None
    if session_key is not None and store_traits().is_upstream:
        sessions.end(session_key)
