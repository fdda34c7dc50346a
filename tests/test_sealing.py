"""What is sealed opens for whom it was sealed, under its secret, for its purpose, and in every later release."""

import pytest
from cryptography.exceptions import InvalidTag

from apikeys.sealing import (
    cipher,
    seal,
    seal_lasting,
    secret_keys,
    unseal,
    unseal_any,
    unseal_lasting,
)

pytestmark = pytest.mark.once

SECRET = "0123456789abcdef0123456789abcdef"
SEALED = bytes.fromhex("000102030405060708090a0be209df55aa92a6ccb671f92aa7ae1f5d0c1fa937fb8f2377")
SEALED_WITH_SALT = bytes.fromhex("000102030405060708090a0b3e396ce207c2b648e7eab4e61a761e5ee1664bb7999da36b")
BOND = "what it is bound to"


@pytest.mark.parametrize(("salt", "sealed"), [("", SEALED), ("a salt", SEALED_WITH_SALT)])
def test_what_an_earlier_release_sealed_opens(salt, sealed):
    assert unseal(cipher(SECRET, "a purpose", salt), sealed, BOND) == b"a secret"


@pytest.mark.parametrize(
    ("secret", "purpose", "salt", "bond"),
    [
        (SECRET[::-1], "a purpose", "", BOND),
        (SECRET, "another purpose", "", BOND),
        (SECRET, "a purpose", "a salt", BOND),
        (SECRET, "a purpose", "", "something else"),
    ],
)
def test_it_opens_for_nothing_else(secret, purpose, salt, bond):
    with pytest.raises(InvalidTag):
        unseal(cipher(secret, purpose, salt), SEALED, bond)


def test_the_same_text_is_sealed_otherwise_each_time_and_a_changed_byte_opens_nothing():
    key = cipher(SECRET, "a purpose")
    first, second = seal(key, b"a secret", BOND), seal(key, b"a secret", BOND)

    assert (len(first), len({first[:12], second[:12]})) == (12 + 8 + 16, 2)
    assert unseal(key, first, BOND) == unseal(key, second, BOND) == b"a secret"
    for place in (0, 11, 12, -1):
        changed = bytearray(first)
        changed[place] ^= 1
        with pytest.raises(InvalidTag):
            unseal(key, bytes(changed), BOND)


def test_the_first_key_that_opens_it_is_enough_and_none_is_an_error():
    keys = [cipher("another", "a purpose"), cipher(SECRET, "a purpose"), cipher("a third", "a purpose")]

    assert unseal_any(keys, SEALED, BOND) == b"a secret"
    with pytest.raises(InvalidTag):
        unseal_any(keys[:1], SEALED, BOND)


def test_what_lasts_opens_under_a_former_secret_key_and_is_sealed_under_the_present_one(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "former " * 8, []
    before = seal_lasting(b"a secret", "a purpose", BOND)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, ["former " * 8]
    after = seal_lasting(b"a secret", "a purpose", BOND)

    assert secret_keys() == ["present " * 8, "former " * 8]
    assert [unseal_lasting(sealed, "a purpose", BOND) for sealed in (before, after)] == [b"a secret"] * 2
    assert unseal(cipher("present " * 8, "a purpose"), after, BOND) == b"a secret"
    with pytest.raises(InvalidTag):
        unseal_lasting(before, "another purpose", BOND)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidTag):
        unseal_lasting(before, "a purpose", BOND)
