"""What is kept of a form while its log-in ends: everything that a person typed, and nothing that only the page knew."""

from apikeys import typed
from apikeys.forms import CreateForm, EditForm

NOT_TYPED = {"nonce", "account"}  # the one is a secret, the other is asked anew


def test_all_fields_of_the_two_forms_are_kept_but_the_nonce_and_the_account():
    offered = set(CreateForm().fields) | set(EditForm().fields)

    assert set(typed.FIELDS) == offered - NOT_TYPED
    assert len(typed.FIELDS) == len(set(typed.FIELDS))
