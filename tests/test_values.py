"""The format of a value, its checksum and digest, and what hides values in text."""

import hashlib
import math
import random
import re
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeys import values
from apikeys.values import Peppers

pytestmark = pytest.mark.once

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIXES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True)
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpYW1faWQiOiJJQk1pZC0xIn0.c2lnbmF0dXJl"

properties = settings(deadline=None, database=None)


# Format


@properties
@given(PREFIXES)
def test_a_value_has_44_characters_that_a_double_click_selects(prefix):
    value = values.generate(prefix)

    assert re.fullmatch(r"[A-Za-z0-9_]{44}", value)
    assert value.startswith(prefix)
    assert values.is_genuine(value, prefix)


def test_a_value_with_the_default_prefix_has_202_random_bits():
    value = values.generate("apk_")

    random = value.removeprefix("apk_")[: -values.CHECKSUM_LENGTH]
    assert len(random) == 34
    assert set(value.removeprefix("apk_")) <= set(BASE62)
    assert math.floor(len(random) * math.log2(62)) == 202


@pytest.mark.parametrize("prefix", ["a", "apk_", "Z9", "A_____"])
def test_a_prefix_is_a_letter_and_up_to_five_more(prefix):
    assert values.is_prefix(prefix)


@pytest.mark.parametrize("prefix", ["", "-", "-apk", "_", "9apk", "apk-", "apikeys", "é", "ap k", "a\n", "ａ", "a\0"])
def test_anything_else_is_no_prefix(prefix):
    assert not values.is_prefix(prefix)


def test_the_longest_prefix_leaves_190_random_bits():
    assert (44 - values.MAX_PREFIX - values.CHECKSUM_LENGTH) * math.log2(62) >= 190


def test_random_characters_are_uniform():
    samples = 2_000
    counts = Counter("".join(values.generate("apk_")[4:38] for _ in range(samples)))

    expected = samples * 34 / 62
    chi_squared = sum((counts[character] - expected) ** 2 / expected for character in BASE62)
    assert set(counts) == set(BASE62)
    assert chi_squared < 160, "61 degrees of freedom pass 160 once in a thousand million runs; `byte % 62` gives 450"


def test_no_two_of_many_values_are_alike():
    assert len({values.generate("apk_") for _ in range(2_000)}) == 2_000


# Checksum


def crc32(data: bytes) -> int:
    """Return CRC-32 bit by bit, as ISO 3309 defines it."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def base62(number: int) -> str:
    return "".join(BASE62[number // 62**place % 62] for place in (5, 4, 3, 2, 1, 0))


def test_the_checksum_is_crc32_in_six_base62_digits():
    assert crc32(b"123456789") == 0xCBF43926, "the standard's own check value"

    assert values.checksum("123456789") == base62(0xCBF43926) == "3jZRME"


def test_a_known_value_is_genuine_and_stays_so_in_later_releases():
    body = "apk_0123456789ABCDEFGHIJKLMNOPQRSTUVWX"

    assert values.checksum(body) == base62(crc32(body.encode()))
    assert values.is_genuine(body + base62(crc32(body.encode())), "apk_")


@properties
@given(PREFIXES, st.integers(0, 43), st.characters(codec="ascii"))
def test_the_checksum_catches_any_one_changed_character(prefix, place, character):
    value = values.generate(prefix)
    changed = value[:place] + character + value[place + 1 :]

    assert values.is_genuine(changed, prefix) == (changed == value)


def test_the_checksum_catches_every_one_changed_character_of_one_value():
    value = values.generate("apk_")

    accepted = [
        (place, character)
        for place in range(44)
        for character in BASE62 + "_-"
        if character != value[place] and values.is_genuine(value[:place] + character + value[place + 1 :], "apk_")
    ]

    assert accepted == []


@properties
@given(st.text(max_size=60))
def test_other_text_is_not_genuine_and_no_error(text):
    assert not values.is_genuine(text, "apk_")


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda v: v[:-1], lambda v: v + "0", lambda v: f" {v}"])
def test_a_value_retyped_badly_is_not_genuine(change):
    value = "apk_0123456789abcdefghijABCDEFGHIJabcdWXYZ"
    value = value[:38] + values.checksum(value[:38])

    assert values.is_genuine(value, "apk_")
    assert not values.is_genuine(change(value), "apk_")


def test_a_value_of_another_installation_is_told_by_its_prefix():
    assert not values.is_genuine(values.generate("xyz_"), "apk_")


def test_the_hint_shows_prefix_and_last_four_characters_only():
    value = values.generate("apk_")

    assert values.hint(value, "apk_") == f"apk_…{value[-4:]}"
    assert values.hint(value, "xyz_") == f"…{value[-4:]}"


# Mask


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "before {} after",
        "'{}'",
        '"apikey": "{}"',
        "apikey={}&name=x",
        "Authorization: Bearer {}",
        "({}), [{}]; <{}>",
        "https://host/path?apikey={}",
        "\n{}\n",
        "\t{}",
        "é{}é",
        "金鑰{}",
        "/{}/",
        "{}.{}",
    ],
)
def test_a_value_is_masked_wherever_it_stands(around):
    value = values.generate("apk_")

    masked = values.mask(around.format(value, value, value))

    survived = value in masked
    assert not survived
    assert masked == around.format(values.MASK, values.MASK, values.MASK)


@pytest.mark.parametrize(
    "around",
    [
        "apikey%3D{}%26name",
        "%22{}%22",
        r"first line\n{}\nlast line",
        r"\t{}",
        r"\x1b{}",
        "x{}x",
        "{}{}",
        "-{}-",
    ],
)
def test_a_value_is_masked_even_where_what_stands_beside_it_looks_like_a_part_of_it(around):
    value = values.generate("apk_")

    masked = values.mask(f"before {around.format(value, value)} after")

    survived = value in masked
    assert not survived
    assert masked.startswith("before ")
    assert values.MASK in masked
    assert masked.endswith(" after")


@properties
@given(PREFIXES, st.text(st.characters(exclude_categories=["L", "N"], exclude_characters="_-"), max_size=20))
def test_a_value_between_any_marks_is_masked(prefix, marks):
    value = values.generate(prefix)

    assert values.mask(f"{marks}{value}{marks}") == f"{marks}{values.MASK}{marks}"


def test_a_signed_token_is_masked():
    assert values.mask(f"Bearer {TOKEN}") == f"Bearer {values.MASK}"
    assert values.mask(f'{{"access_token":"{TOKEN}"}}') == f'{{"access_token":"{values.MASK}"}}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET /manage/security/apikeys/?q=terraform 200",
        "ApiKey-4b1b6c5e-5f6e-4c52-9a4e-3f6dfb1f5f6a",
        "/manage/security/apikeys/ApiKey-4b1b6c5e-5f6e-4c52-9a4e-3f6dfb1f5f6a/edit/",
        "1-0123456789abcdef0123456789abcdef",
        "crn:v1:bluemix:public:iam-identity::a/0123456789abcdef0123456789abcdef::apikey:ApiKey-1",
        "apk_…x9Qz",
    ],
)
def test_what_operators_need_to_read_is_not_masked(text):
    assert values.mask(text) == text


@properties
@given(st.text())
def test_masking_twice_changes_nothing_more(text):
    masked = values.mask(text)

    assert values.mask(masked) == masked


# Any text may hold halves of characters: JSON can spell them
ANY_TEXT = st.text(st.characters())


@properties
@given(ANY_TEXT, ANY_TEXT)
def test_no_text_is_an_error_and_a_value_inside_it_is_always_masked(before, after):
    value = values.generate("apk_")

    survived = value in values.mask(f"{before}{value}{after}")

    assert not survived
    assert not values.is_genuine(before, after)


@properties
@given(PREFIXES, st.text(st.characters(codec="ascii"), min_size=44, max_size=44))
def test_a_text_is_genuine_only_with_prefix_and_checksum(prefix, text):
    genuine = values.is_genuine(text, prefix)

    assert genuine == (text.startswith(prefix) and values.checksum(text[:38]) == text[38:])


# Peppers


def hmac_sha256(key: bytes, message: bytes) -> str:
    """Return HMAC-SHA256 by the definition of RFC 2104."""
    key = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def test_the_digest_is_hmac_sha256_of_the_value_under_the_pepper():
    peppers = Peppers.parse(f"1:{'aa' * 131}")  # RFC 4231, test case 6
    message = "Test Using Larger Than Block-Size Key - Hash Key First"

    digest = peppers.digest(message, 1)

    assert digest == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    assert digest == hmac_sha256(b"\xaa" * 131, message.encode())


@properties
@given(st.binary(min_size=32, max_size=80), PREFIXES)
def test_any_digest_is_what_rfc_2104_says(pepper, prefix):
    value = values.generate(prefix)

    assert Peppers.parse(f"9:{pepper.hex()}").digest(value, 9) == hmac_sha256(pepper, value.encode())


def test_peppers_are_read_by_number_and_the_highest_is_the_newest():
    peppers = Peppers.parse(f" 2:{'02' * 32} , 10:{'AB' * 40},1:{'01' * 32}")

    assert peppers.by_number == {1: b"\x01" * 32, 2: b"\x02" * 32, 10: b"\xab" * 40}
    assert peppers.newest == 10


def test_a_digest_under_a_pepper_that_is_not_there_is_a_key_error():
    with pytest.raises(KeyError):
        Peppers.parse(f"1:{'01' * 32}").digest("value", 2)


def test_fingerprints_tell_peppers_apart_and_reveal_nothing():
    peppers = Peppers.parse(f"1:{'01' * 32},2:{'02' * 32}")

    assert re.fullmatch(r"[0-9a-f]{16}", peppers.fingerprint(1))
    assert peppers.fingerprint(1) != peppers.fingerprint(2)
    assert peppers.fingerprint(1) == Peppers.parse(f"7:{'01' * 32}").fingerprint(7)
    assert peppers.fingerprint(1) not in peppers.digest("fingerprint", 1)


def test_a_fingerprint_is_what_an_earlier_release_stored():
    assert Peppers.parse(f"1:{'01' * 32}").fingerprint(1) == "a8b4b42317165b41"


def test_peppers_do_not_show_in_what_is_printed():
    assert "01" * 32 not in repr(Peppers.parse(f"1:{'01' * 32}"))
    assert "\\x01" not in repr(Peppers.parse(f"1:{'01' * 32}"))


HEX = "5ec2e7" * 12
NO_LIST = ["", HEX, f"one:{HEX}", f"0:{HEX}", f"-1:{HEX}", f"32768:{HEX}", f"1:{HEX},"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        *((text, "write each pepper as NUMBER:HEX, numbers from 1 to 32767, separated by commas.") for text in NO_LIST),
        (f"1:{HEX},01:{HEX}", "pepper 1 is given twice."),
        (f"4:{HEX}x", "pepper 4 is not hexadecimal."),
        (f"4:{'5ec2e' * 13}", "pepper 4 is not hexadecimal."),
        ("4:5ec2e75ec2e7", "pepper 4 is too short: use 64 hexadecimal digits or more."),
        ("4:", "pepper 4 is too short: use 64 hexadecimal digits or more."),
    ],
)
def test_bad_peppers_are_refused_in_a_sentence_that_does_not_repeat_them(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)) as refusal:
        Peppers.parse(text)

    assert str(refusal.value) == sentence
    assert "5ec2e" not in "".join(_whole_story(refusal.value))


@properties
@given(st.text(st.sampled_from("0123456789abcdefxyz:, \n"), max_size=200))
def test_whatever_is_refused_is_not_repeated(text):
    try:
        Peppers.parse(text)
    except ValueError as exc:
        story = "".join(_whole_story(exc))
        pieces = [piece for piece in re.split(r"[:, \n]", text) if len(piece) > 5]
        assert not [piece for piece in pieces if piece in story]


def _whole_story(error: BaseException | None):
    """Yield what a traceback prints of an error and of those it was raised from."""
    while error is not None:
        yield repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "around", ["{}", " {}", "{}\n", "{}\r\n", '"{}"', "'{}'", "\ufeff{}", '\ufeff"{}"\r\n', "“{}”", "\u00a0{}\t"]
)
def test_what_gets_round_a_value_on_its_way_is_trimmed(around):
    value = values.generate("apk_")

    assert values.trimmed(around.format(value)) == value


@pytest.mark.parametrize("text", ["", " \n", '""', "\ufeff"])
def test_nothing_trimmed_is_nothing(text):
    assert values.trimmed(text) == ""


def test_what_is_inside_a_value_stays():
    assert values.trimmed(' my "own" value ') == 'my "own" value'


# Values that people bring


@pytest.mark.parametrize(
    "alphabet", [string.digits, "0123456789abcdef", string.ascii_lowercase, string.ascii_letters, string.printable[:95]]
)
def test_32_random_characters_are_never_guessable(alphabet):
    source = random.Random(20260219)
    random_values = ["".join(source.choice(alphabet) for _ in range(32)) for _ in range(2000)]

    assert sum(values.is_guessable(value) for value in random_values) <= 5 * (alphabet == string.digits)


@pytest.mark.parametrize(
    "value",
    [
        "a" * 32,
        " " * 32,
        "password" * 4,
        "qwertzui" * 5,
        "0123456789" * 4,
        "0123456789abcdef" * 2,
        "correct horse battery" * 3 + "1",
        string.ascii_lowercase + string.digits,
        string.ascii_lowercase + string.ascii_uppercase,
        "".join(map(chr, range(0x4E00, 0x4E40))),
        "1234567890" * 100,
    ],
)
def test_what_a_guesser_tries_first_is_guessable(value):
    assert values.is_guessable(value)


@pytest.mark.parametrize(
    ("value", "is_guessable"),
    [
        ("mkeccecgikjegggacaaccieaacgaaeik", False),  # 8 characters
        ("mkfbcabacddcadaccddabcbccbcadddc", True),  # 7
        ("mjhhfkmhediejginlpnprqsnli", False),  # 24 runs of three
        ("mnojhkppnpnmnmrqwrxsyzzxv", True),  # 23
        ("mnrosuurttvzxyzyxyvzxustqpmkmnpu", False),  # 8 steps
        ("mrpnmhnmhgmqlqqwrmmrpoouuuswrrqu", True),  # 7
    ],
)
def test_the_floor_of_variety_is_where_it_is_said_to_be(value, is_guessable):
    assert values.is_guessable(value) is is_guessable


def test_a_long_header_of_a_stranger_is_masked_before_the_suite_is_over():
    """Trying the pattern at each "eyJ" takes minutes for a text of this length, and holds up the whole process."""
    text = "eyJ" * 130_000

    assert values.mask_sent(f"{text}.{text}.{text}") == values.MASK
