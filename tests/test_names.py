"""Names that people can see, tell apart, and that change nothing beside them."""

import pytest
from django.core.exceptions import ValidationError

from apikeys.backends.search import fold, shape
from apikeys.exceptions import InvalidApiKey
from apikeys.models import ApiKeyRecord
from apikeys.services.validation import clean_description, clean_name
from apikeys.web.forms import new_nonce
from tests.addresses import CREATE, KEYS, delete_address, edit_address
from tests.markup import page

INVISIBLE = ["\u200b", "\u00ad", "\u2060", "\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\ufeff", "\u0301\u0302",
             "\ufe0f", "\U000e0041", "\u200b \u3164"]  # fmt: skip
DIRECTION = ["\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
GOOD = ["a", "1", "-", "金鑰", "🔑", "👩‍💻", "e\u0301", "می‌خواهم", "สวัสดี", "नमस्ते", "مفتاح", "מפתח", "a\u00adb", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
def test_a_name_that_nobody_can_see_is_refused(name):
    with pytest.raises(InvalidApiKey, match=r"no visible character|Enter a name"):
        clean_name(name)


@pytest.mark.parametrize("character", DIRECTION, ids=ascii)
@pytest.mark.parametrize("clean", [clean_name, clean_description])
def test_a_text_that_turns_the_direction_of_writing_is_refused(clean, character):
    with pytest.raises(InvalidApiKey, match="direction of text"):
        clean(f"key{character}1")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("terraform", "terraform"),
        ("  terraform \t", "terraform"),
        ("\u3000terraform\u00a0", "terraform"),
        ("a  b", "a  b"),
        ("x" * 255, "x" * 255),
        (" " * 50 + "x" * 255 + " " * 50, "x" * 255),
        ("🔑" * 255, "🔑" * 255),
        ("👩‍👩‍👧‍👦 family", "👩‍👩‍👧‍👦 family"),
        ("مفتاح", "مفتاح"),
        ("<script>alert('x')</script>", "<script>alert('x')</script>"),
        ("%(name)s %s {}", "%(name)s %s {}"),
    ],
)
def test_a_name_is_kept_without_the_white_space_around_it(typed, kept):
    assert clean_name(typed) == clean_description(typed) == kept


@pytest.mark.parametrize("name", ["", " ", "\t \n", "\u00a0\u3000\u2003"])
def test_a_blank_name_is_refused(name):
    with pytest.raises(InvalidApiKey) as refusal:
        clean_name(name)

    assert (refusal.value.field, str(refusal.value)) == ("name", "Enter a name.")


def test_a_description_may_be_empty():
    assert clean_description(" \t ") == ""


@pytest.mark.parametrize(("clean", "field", "limit"), [(clean_name, "name", 255),
                                                       (clean_description, "description", 1000)])  # fmt: skip
def test_one_character_too_many_is_refused_with_both_numbers(clean, field, limit):
    with pytest.raises(InvalidApiKey) as refusal:
        clean("é" * (limit + 1))

    assert refusal.value.field == field
    assert str(refusal.value) == f"This has {limit + 1} characters. Use at most {limit}."


@pytest.mark.parametrize(("clean", "field"), [(clean_name, "name"), (clean_description, "description")])
@pytest.mark.parametrize(
    ("character", "sentence"),
    [
        *((character, "This contains a control character. Remove it.") for character in "\0\a\t\n\r\x1b\x7f\x80\x9b"),
        *((character, "This contains an invalid character. Type it again.") for character in "\ud800\udfff"),
    ],
)
def test_what_no_name_should_hold_is_refused(clean, field, character, sentence):
    with pytest.raises(InvalidApiKey) as refusal:
        clean(f"a{character}b")

    assert (refusal.value.field, str(refusal.value)) == (field, sentence)


@pytest.mark.parametrize("name", GOOD, ids=ascii)
def test_every_script_has_names(name):
    assert clean_name(name) == clean_description(name) == name


def test_a_name_that_begins_with_an_accent_for_whatever_stands_before_it_is_refused():
    with pytest.raises(InvalidApiKey, match="accent"):
        clean_name("\u0301terraform")


@pytest.mark.parametrize("twin", ["Terraform", "terra\u200bform", "terra\u00adform", "ｔerraform", "tеrrаfоrm",
                                  "terra form", "terraform\u3164", "𝓉erraform", "terraform"], ids=ascii)  # fmt: skip
def test_names_that_look_the_same_have_one_shape(twin):
    assert shape(fold(twin)) == shape("terraform")


@pytest.mark.parametrize("other", ["terraforms", "térraform", "terrafarm", "терраформ", ""], ids=ascii)
def test_names_that_look_different_have_different_shapes(other):
    assert shape(fold(other)) != shape("terraform")


# The page


def create(client, name: str):
    return page(client.post(CREATE, {"name": name, "description": "", "nonce": new_nonce()}))


def test_alice_is_told_of_the_key_that_her_new_one_looks_like(alice_client, bob, create_key):
    create_key(bob, "tеrraform")  # the letter of another script; a key of Bob's is nothing to Alice

    first, twin = create(alice_client, "terraform"), create(alice_client, "tеrraform")

    assert "looks the same" not in first.text
    assert "You have another API key whose name looks the same: terraform." in twin.text
    assert twin.find(id="created")["aria-describedby"] == "created-what created-twin"


def test_alice_is_told_of_the_key_that_has_the_same_name(alice_client):
    first, twin = create(alice_client, "terraform"), create(alice_client, "terraform")

    assert first.find_all(id="created-twin") == []
    assert twin.find(id="created-twin").text == "You have another API key with the same name."


def test_a_key_whose_name_was_allowed_once_is_shown_renamed_and_deleted(alice, alice_client, alices_key):
    ApiKeyRecord.objects.update(name="\u202e\u3164")
    key_id = alices_key.key.id

    assert alice_client.get(KEYS).status_code == 200
    form = page(alice_client.get(edit_address(key_id)))
    tag = form.find("input", name="entity_tag")["value"]
    refused = alice_client.post(edit_address(key_id), {"name": "\u202e\u3164", "entity_tag": tag})
    assert "direction of text" in page(refused).text
    alice_client.post(edit_address(key_id), {"name": "tofu", "description": "", "entity_tag": tag})
    assert ApiKeyRecord.objects.get().name == "tofu"

    ApiKeyRecord.objects.update(name="\u200b")
    alice_client.post(delete_address(key_id))
    assert not ApiKeyRecord.objects.exists()


# Programs, and people


def test_a_program_is_warned_of_a_name_that_looks_like_another(site, alices, bobs):
    new = {"iam_id": alices.iam_id}
    answers = [alices.post("/v1/apikeys", json={**new, "name": name}) for name in ("tofu", "tоfu", "plan")]
    bobs_answer = bobs.post("/v1/apikeys", json={"iam_id": bobs.iam_id, "name": "tofu"})

    warning = '299 - "The owner has another API key whose name looks the same."'
    assert [answer.status_code for answer in answers] == [201] * 3
    assert [answer.headers.get("Warning") for answer in answers] == [None, warning, None]
    assert "Warning" not in bobs_answer.headers


@pytest.mark.parametrize("field", ["first_name", "last_name"])
def test_the_name_of_a_person_turns_no_direction(alice, field):
    setattr(alice, field, "Alice\u202e")

    with pytest.raises(ValidationError, match="direction of text"):
        alice.full_clean()


@pytest.mark.parametrize("resource", ["apikeys", "serviceids"])
@pytest.mark.parametrize("field", ["name", "description"])
def test_programs_are_refused_what_the_form_refuses(alices, resource, field):
    good = {"name": " terraform\t", "description": "\u3000Applies changes "}
    whose = {"iam_id": alices.iam_id, "account_id": alices.claims["account"]["bss"]}
    bad = {**good, field: "\u202eterraform"}
    made = alices.post(f"/v1/{resource}", json=whose | good).json()
    address, any_tag = f"/v1/{resource}/{made['id']}", {"If-Match": "*"}

    refusals = [alices.post(f"/v1/{resource}", json=whose | bad), alices.put(address, json=bad, headers=any_tag)]
    changed = alices.put(address, json=good, headers=any_tag).json()

    assert [refusal.status_code for refusal in refusals] == [400, 400]
    assert all("direction of text" in refusal.text for refusal in refusals)
    for kept in (made, changed):
        assert (kept["name"], kept["description"]) == ("terraform", "Applies changes")
    assert alices.get(address).json()["entity_tag"] == changed["entity_tag"]
    assert changed["entity_tag"].startswith("2-"), "the refused change left the record alone"
