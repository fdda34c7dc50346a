"""What every key store must do. A store's tests inherit this class and say how to reach the store.

Alice and Bob have an identity each and, bound to it, a backend each: `alices` and `bobs`.
"""

import itertools
import re
import secrets
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from apikeys import values
from apikeys.backends.base import ApiKeyBackend
from apikeys.domain import (
    END,
    MAX_DAYS,
    ApiKey,
    ApiKeyChanges,
    ApiKeyDraft,
    ApiKeyPage,
    ApiKeyQuery,
    Cursor,
    Extent,
    Filters,
    LeakedAction,
    Sort,
    Status,
)
from apikeys.exceptions import ApiKeyConflict, ApiKeyError, ApiKeyLimitReached, ApiKeyLocked, ApiKeyNotFound
from tests.addresses import UNKNOWN_ID

SORTS_OF_ALL = (Sort.NAME, Sort.DESCRIPTION, Sort.CREATED, Sort.CREATED_BY)  # what every store sorts by
BOTH_WAYS = [(sort, descending) for sort in SORTS_OF_ALL for descending in (False, True)]
MAX_PAGES = 50
# What can be done with a key that is there, by its id and entity tag.
ACTS = {
    "get": lambda backend, key_id, _tag: backend.get_api_key(key_id),
    "update": lambda backend, key_id, tag: backend.update_api_key(
        key_id, ApiKeyChanges(name="changed", description=""), entity_tag=tag
    ),
    "delete": lambda backend, key_id, _tag: backend.delete_api_key(key_id),
}


class ApiKeyBackendContract:
    """Inherit, and fill in `backend`, `lock` and `allow`; `counts` where a list without a search tells its length."""

    counts = True

    def backend(self, person) -> ApiKeyBackend:
        """Return the store, bound to a person's identity."""
        raise NotImplementedError

    def lock(self, key_id: str) -> None:
        """Lock a key by whatever means the store has."""
        raise NotImplementedError

    def allow(self, limit: int, settings) -> None:
        """Let each identity have at most `limit` keys."""
        raise NotImplementedError

    @pytest.fixture
    def alices(self, alice) -> ApiKeyBackend:
        return self.backend(alice)

    @pytest.fixture
    def bobs(self, bob) -> ApiKeyBackend:
        return self.backend(bob)

    @pytest.fixture
    def key(self, alices) -> ApiKey:
        """Alice's key."""
        return alices.create_api_key(ApiKeyDraft("terraform", "Applies changes")).key

    # Create

    def test_a_new_key_is_alices_and_works_at_once(self, alices):
        before = datetime.now(UTC) - timedelta(minutes=1)  # a store may keep minutes only

        key = alices.create_api_key(ApiKeyDraft("terraform", "Applies changes")).key

        assert re.fullmatch(r"ApiKey-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key.id)
        assert re.fullmatch(r"1-[0-9a-f]{32}", key.entity_tag)
        assert (key.name, key.description) == ("terraform", "Applies changes")
        assert (key.iam_id, key.account_id) == (alices.identity.iam_id, alices.identity.account_id)
        assert key.created_by == alices.identity.iam_id
        assert before <= key.created_at <= datetime.now(UTC)
        assert before <= key.modified_at <= datetime.now(UTC)
        assert (key.status, key.locked, key.disabled) == (Status.ACTIVE, False, False)
        assert key.last_used_at is None

    def test_the_value_comes_back_once_and_only_beside_the_record(self, alices, settings):
        issued = alices.create_api_key(ApiKeyDraft("terraform", ""))

        genuine = values.is_genuine(issued.value, settings.APIKEYS_PREFIX)
        read_again = alices.get_api_key(issued.key.id)
        repeated = [thing for thing in (issued, issued.key, read_again) if issued.value in f"{thing!r}{thing}"]
        assert genuine
        assert issued.key.hint.endswith(issued.value[-4:]) if alices.traits.keeps_hint else issued.key.hint == ""
        assert repeated == []

    def test_two_keys_may_have_one_name_but_never_one_value(self, alices):
        first = alices.create_api_key(ApiKeyDraft("terraform", ""))

        second = alices.create_api_key(ApiKeyDraft("terraform", ""))

        same_value = second.value == first.value
        assert second.key.id != first.key.id
        assert not same_value

    @pytest.mark.parametrize(
        "text",
        ["o'neill<b>&\"", "<script>alert(1)</script>", "مفتاح الخادم", "🔑🔑🔑", "%s {0} ${HOME} ../..", "a\u200bb"],
    )
    def test_a_name_is_kept_as_it_was_typed(self, alices, text):
        key = alices.create_api_key(ApiKeyDraft(text, text)).key

        kept = alices.get_api_key(key.id)
        assert (kept.name, kept.description) == (text, text)

    def test_the_longest_name_and_description_fit(self, alices):
        key = alices.create_api_key(ApiKeyDraft("🔑" * 255, "é" * 1000)).key

        kept = alices.get_api_key(key.id)
        assert (kept.name, kept.description) == ("🔑" * 255, "é" * 1000)

    # Get, count

    def test_a_key_reads_back_as_it_was_created(self, alices, key):
        assert alices.get_api_key(key.id) == key

    def test_the_details_of_a_key_are_its_record_and_what_was_done_to_it(self, alices, key):
        renamed = alices.update_api_key(key.id, ApiKeyChanges(name="tofu", description=""), entity_tag=key.entity_tag)

        found, history = alices.get_details(key.id)

        assert found == renamed
        assert [entry.action for entry in history] == ["create", "update"]
        assert {entry.iam_id for entry in history} == {alices.identity.iam_id}
        assert history == alices.get_history(key.id)

    def test_a_disabled_key_says_so_until_it_is_enabled(self, alices, key):
        disabled = alices.set_disabled(key.id, True)
        again = alices.set_disabled(key.id, True)
        enabled = alices.set_disabled(key.id, False)

        assert disabled.status is again.status is Status.DISABLED
        assert enabled.status is Status.ACTIVE
        assert alices.get_api_key(key.id) == enabled

    def test_a_locked_key_is_neither_disabled_nor_enabled(self, alices, key):
        alices.set_locked(key.id, True)

        for disabled in (True, False):
            with pytest.raises(ApiKeyLocked):
                alices.set_disabled(key.id, disabled)
        unlocked = alices.set_locked(key.id, False)

        assert unlocked.status is Status.ACTIVE

    def test_a_key_keeps_its_expiration_and_what_happens_when_it_leaks(self, alices):
        end = datetime(2099, 1, 31, 18, 30, tzinfo=UTC)
        draft = ApiKeyDraft("terraform", expires_at=end, action_when_leaked=LeakedAction.DISABLE, locked=True)

        key = alices.create_api_key(draft).key

        assert (key.expires_at, key.action_when_leaked, key.locked) == (end, LeakedAction.DISABLE, True)
        assert alices.get_api_key(key.id) == key

    def test_an_expiration_is_changed_and_taken_away(self, alices):
        end = datetime(2099, 1, 31, 18, 30, tzinfo=UTC)
        key = alices.create_api_key(ApiKeyDraft("terraform")).key

        ending = alices.update_api_key(key.id, ApiKeyChanges(expires_at=end, support_sessions=True), entity_tag="*")
        endless = alices.update_api_key(key.id, ApiKeyChanges(expires_at=None, support_sessions=False), entity_tag="*")

        assert (ending.expires_at, ending.support_sessions) == (end, True)
        assert (endless.expires_at, endless.support_sessions) == (None, False)

    def test_a_value_of_ones_own_is_taken_and_handed_back(self, alices):
        value = secrets.token_urlsafe(33)

        issued = alices.create_api_key(ApiKeyDraft("terraform", value=value))

        same = issued.value == value
        assert same

    @pytest.mark.parametrize("act", ACTS)
    def test_an_unknown_key_is_not_found(self, alices, act):
        with pytest.raises(ApiKeyNotFound):
            ACTS[act](alices, UNKNOWN_ID, "1-0")

    @pytest.mark.parametrize(
        "key_id", ["", "ApiKey-", "' OR 1=1 --", "%", "../admin", "ApiKey-%2e%2e", "🔑", "x" * 300]
    )
    def test_what_cannot_be_an_id_is_not_found_either(self, alices, key_id):
        alices.create_api_key(ApiKeyDraft("terraform", ""))

        with pytest.raises(ApiKeyNotFound):
            alices.get_api_key(key_id)

    def test_the_count_follows_creation_and_deletion(self, alices):
        counts = [alices.count_api_keys()]

        key = alices.create_api_key(ApiKeyDraft("terraform", "")).key
        counts.append(alices.count_api_keys())
        alices.create_api_key(ApiKeyDraft("ansible", ""))
        counts.append(alices.count_api_keys())
        alices.delete_api_key(key.id)
        counts.append(alices.count_api_keys())

        assert counts == [0, 1, 2, 1]

    # Update

    def test_an_edit_changes_name_description_and_tag_and_nothing_else(self, alices, key):
        changed = alices.update_api_key(key.id, ApiKeyChanges(name="tofu", description=""), entity_tag=key.entity_tag)

        assert (changed.name, changed.description) == ("tofu", "")
        assert re.fullmatch(r"2-[0-9a-f]{32}", changed.entity_tag)
        assert changed.modified_at >= key.modified_at
        same = {"name": key.name, "description": key.description}
        same |= {"entity_tag": key.entity_tag, "modified_at": key.modified_at}
        assert replace(changed, **same) == key
        assert alices.get_api_key(key.id) == changed

    def test_the_tag_grows_with_each_edit(self, alices):
        key = alices.create_api_key(ApiKeyDraft("v1", "")).key

        for name in ("v2", "v3", "v4"):
            key = alices.update_api_key(key.id, ApiKeyChanges(name=name, description=""), entity_tag=key.entity_tag)

        assert key.entity_tag.partition("-")[0] == "4"

    def test_of_two_edits_of_one_reading_the_first_wins_and_the_second_is_told(self, alices, key):
        first = alices.update_api_key(key.id, ApiKeyChanges(name="first", description=""), entity_tag=key.entity_tag)

        with pytest.raises(ApiKeyConflict):
            alices.update_api_key(key.id, ApiKeyChanges(name="second", description=""), entity_tag=key.entity_tag)

        assert alices.get_api_key(key.id) == first

    @pytest.mark.parametrize("tag", ["", "1-", "1-00000000000000000000000000000000", "🔑"])
    def test_an_edit_without_the_present_tag_changes_nothing(self, alices, key, tag):
        with pytest.raises(ApiKeyConflict):
            alices.update_api_key(key.id, ApiKeyChanges(name="other", description=""), entity_tag=tag)

        assert alices.get_api_key(key.id) == key

    # Delete

    def test_a_deleted_key_is_gone_and_its_last_record_comes_back(self, alices, key):
        last = alices.delete_api_key(key.id)

        assert last == key
        assert alices.list_api_keys(ApiKeyQuery()).keys == ()

    @pytest.mark.parametrize("act", ACTS)
    def test_a_deleted_key_is_neither_found_nor_edited_nor_deleted_again(self, alices, key, act):
        alices.delete_api_key(key.id)

        with pytest.raises(ApiKeyNotFound):
            ACTS[act](alices, key.id, key.entity_tag)

    def test_deleting_one_key_leaves_the_others(self, alices):
        kept, gone = make(alices, "kept", "gone")

        alices.delete_api_key(gone.id)

        assert alices.list_api_keys(ApiKeyQuery()).keys == (kept,)

    def test_deleting_all_keys_ends_locked_ones_too_but_nobody_elses(self, alices, bobs):
        mine = make(alices, "one", "two", "three")
        bobs_key = bobs.create_api_key(ApiKeyDraft("bob's", "")).key
        self.lock(mine[1].id)

        ended = alices.delete_all_api_keys()

        assert sorted(key.id for key in ended) == sorted(key.id for key in mine)
        assert alices.count_api_keys() == 0
        assert bobs.list_api_keys(ApiKeyQuery()).keys == (bobs_key,)

    def test_deleting_all_of_no_keys_is_fine(self, alices):
        assert alices.delete_all_api_keys() == []

    # Somebody else's

    @pytest.mark.parametrize("act", ACTS)
    def test_alices_key_is_to_bob_exactly_like_one_that_never_was(self, alices, bobs, key, act):
        foreign, unknown = (_refusal(ACTS[act], bobs, key_id, key.entity_tag) for key_id in (key.id, UNKNOWN_ID))

        assert type(foreign) is type(unknown) is ApiKeyNotFound
        assert (foreign.args, foreign.message, foreign.params) == (unknown.args, unknown.message, unknown.params)
        assert alices.get_api_key(key.id) == key

    @pytest.mark.parametrize("act", ["update", "delete"])
    def test_bob_does_not_learn_that_alices_key_is_locked(self, alices, bobs, key, act):
        self.lock(key.id)

        with pytest.raises(ApiKeyNotFound):
            ACTS[act](bobs, key.id, key.entity_tag)

    def test_bob_neither_lists_nor_finds_nor_counts_alices_keys(self, alices, bobs):
        alices.create_api_key(ApiKeyDraft("terraform", ""))
        bobs_key = bobs.create_api_key(ApiKeyDraft("terraform", "")).key

        assert bobs.list_api_keys(ApiKeyQuery()).keys == (bobs_key,)
        assert bobs.list_api_keys(ApiKeyQuery(search="terraform")).keys == (bobs_key,)
        assert bobs.count_api_keys() == 1

    # Locked

    def test_a_locked_key_says_so(self, alices, key):
        self.lock(key.id)

        locked = alices.get_api_key(key.id)
        assert locked.locked
        assert locked.status is Status.LOCKED

    @pytest.mark.parametrize("act", ["update", "delete"])
    def test_a_locked_key_can_be_neither_edited_nor_deleted(self, alices, key, act):
        self.lock(key.id)
        locked = alices.get_api_key(key.id)

        with pytest.raises(ApiKeyLocked):
            ACTS[act](alices, key.id, locked.entity_tag)

        assert alices.get_api_key(key.id) == locked
        assert alices.count_api_keys() == 1

    # List: order

    def test_the_newest_key_comes_first(self, alices):
        made = make(alices, "a", "c", "b")

        listed = alices.list_api_keys(ApiKeyQuery()).keys

        assert listed == tuple(reversed(made))

    @pytest.mark.parametrize("descending", [False, True])
    def test_keys_sort_by_creation_both_ways(self, alices, descending):
        made = make(alices, "b", "a", "d", "c")

        listed = alices.list_api_keys(ApiKeyQuery(sort=Sort.CREATED, descending=descending)).keys

        assert sorted(key.id for key in listed) == sorted(key.id for key in made)
        assert [key.created_at for key in listed] == sorted((key.created_at for key in made), reverse=descending)
        assert [key.name for key in listed] == (["c", "d", "a", "b"] if descending else ["b", "a", "d", "c"])

    @pytest.mark.parametrize("descending", [False, True])
    def test_keys_sort_by_name_both_ways_whatever_the_letters_case(self, alices, descending):
        make(alices, "Bravo", "alpha", "DELTA", "charlie", "ÉCHO", "écho 2")

        listed = alices.list_api_keys(ApiKeyQuery(sort=Sort.NAME, descending=descending)).keys

        ascending = ["alpha", "Bravo", "charlie", "DELTA", "ÉCHO", "écho 2"]
        assert [key.name for key in listed] == (ascending[::-1] if descending else ascending)

    def test_no_keys_are_one_empty_page(self, alices):
        assert alices.list_api_keys(ApiKeyQuery()) == ApiKeyPage(())

    # List: pages

    @pytest.mark.parametrize(("sort", "descending"), BOTH_WAYS)
    @pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7])
    def test_paging_forward_shows_every_key_once_in_order(self, alices, sort, descending, number):
        make(alices, *(f"key {index * 7 % 10}" for index in range(number)))
        query = ApiKeyQuery(sort=sort, descending=descending, page_size=3)
        whole = alices.list_api_keys(replace(query, page_size=100)).keys

        pages = forward(alices, query)

        assert _keys(pages) == list(whole)
        assert [len(page.keys) for page in pages] == [3] * (number // 3) + [number % 3] * (number % 3 > 0)
        assert pages[0].previous is None
        assert pages[-1].next is None

    @pytest.mark.parametrize(("sort", "descending"), BOTH_WAYS)
    def test_paging_back_shows_the_same_pages(self, alices, sort, descending):
        make(alices, *(f"key {index * 7 % 10}" for index in range(7)))
        query = ApiKeyQuery(sort=sort, descending=descending, page_size=3)
        there = forward(alices, query)

        back = backward(alices, query, there[-1])

        assert [page.keys for page in back] == [page.keys for page in reversed(there)]
        assert back[-1].previous is None

    def test_going_back_and_on_again_ends_where_it_began(self, alices):
        make(alices, *(f"key {index}" for index in range(7)))
        query = ApiKeyQuery(page_size=3)
        first, second, third = forward(alices, query)

        back = alices.list_api_keys(replace(query, cursor=third.previous))
        again = alices.list_api_keys(replace(query, cursor=back.next))

        assert back.keys == second.keys
        assert again.keys == third.keys
        assert _at(alices, query, back.previous).keys == first.keys

    @pytest.mark.parametrize("descending", [False, True])
    def test_keys_of_one_name_are_each_shown_once_both_ways(self, alices, descending):
        made = [alices.create_api_key(ApiKeyDraft("same", "")).key for _ in range(8)]
        query = ApiKeyQuery(sort=Sort.NAME, descending=descending, page_size=3)

        there = forward(alices, query)
        back = backward(alices, query, there[-1])

        assert sorted(key.id for key in _keys(there)) == sorted(key.id for key in made)
        assert [page.keys for page in back] == [page.keys for page in reversed(there)]

    @pytest.mark.parametrize(("sort", "descending"), BOTH_WAYS)
    def test_deleting_around_the_edge_of_a_page_neither_skips_nor_repeats_a_key(self, alices, sort, descending):
        make(alices, *(f"key {index}" for index in range(9)))
        query = ApiKeyQuery(sort=sort, descending=descending, page_size=3)
        order = alices.list_api_keys(replace(query, page_size=100)).keys
        first = alices.list_api_keys(query)

        for index in (0, 2, 3, 5):  # the first page's edge among them: the row the cursor stands on
            alices.delete_api_key(order[index].id)
        rest = forward(alices, replace(query, cursor=first.next))

        assert _keys(rest) == [order[4], *order[6:]]

    def test_a_key_made_meanwhile_neither_skips_nor_repeats_a_key(self, alices):
        make(alices, *(f"key {index}" for index in range(6)))
        query = ApiKeyQuery(page_size=3)
        order = alices.list_api_keys(replace(query, page_size=100)).keys
        first = alices.list_api_keys(query)

        newer = [alices.create_api_key(ApiKeyDraft(f"newer {index}", "")).key for index in range(4)]
        second = alices.list_api_keys(replace(query, cursor=first.next))
        back = backward(alices, query, second)

        assert first.keys + second.keys == order
        assert back[1].keys == first.keys
        assert {key.id for page in back[2:] for key in page.keys} == {key.id for key in newer}

    def test_a_name_that_sorts_between_two_pages_appears_on_the_next_one(self, alices):
        make(alices, "a", "b", "c", "f", "g", "h")
        query = ApiKeyQuery(sort=Sort.NAME, descending=False, page_size=3)
        first = alices.list_api_keys(query)

        make(alices, "aa", "d")
        rest = forward(alices, replace(query, cursor=first.next))

        assert [key.name for key in _keys(rest)] == ["d", "f", "g", "h"]

    def test_going_back_to_deleted_keys_is_an_empty_page(self, alices):
        make(alices, *(f"key {index}" for index in range(6)))
        query = ApiKeyQuery(page_size=3)
        first, second = forward(alices, query)

        for key in first.keys:
            alices.delete_api_key(key.id)
        back = alices.list_api_keys(replace(query, cursor=second.previous))

        assert back == ApiKeyPage(())

    # List: search

    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("%", {"100% sure"}),
            ("0% s", {"100% sure"}),
            ("_", {"snake_case"}),
            ("e_c", {"snake_case"}),
            ("\\", {"back\\slash"}),
            ("k\\s", {"back\\slash"}),
            ("\\%", set()),
            ("\\_", set()),
            ("'", {"o'neill"}),
            ('"', {'say "hi"'}),
            ("*", {"star*"}),
            ("[a]", {"set[a]"}),
            ("?", {"what?"}),
            ("' OR 1=1 --", set()),
            (".", set()),
        ],
    )
    def test_search_takes_every_character_literally(self, alices, search, found):
        for name in (
            "100% sure", "1000 sure", "snake_case", "snakeXcase", "back\\slash", "back/slash",
            "o'neill", 'say "hi"', "star*", "set[a]", "what?",
        ):  # fmt: skip
            alices.create_api_key(ApiKeyDraft(name, ""))

        listed = alices.list_api_keys(ApiKeyQuery(search=search)).keys

        assert {key.name for key in listed} == found

    @pytest.mark.parametrize(
        ("name", "search"),
        [
            ("Terraform", "TERRAFORM"),
            ("ÜBER-Schlüssel", "über-SCHLÜSSEL"),
            ("Ключ Сервера", "ключ сервера"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Straße", "STRASSE"),
            ("ŁÓDŹ", "łódź"),
            ("金鑰", "金鑰"),
        ],
    )
    def test_search_ignores_case_in_every_script(self, alices, name, search):
        alices.create_api_key(ApiKeyDraft(f"the {name} key", ""))
        alices.create_api_key(ApiKeyDraft("another", ""))

        listed = alices.list_api_keys(ApiKeyQuery(search=search)).keys

        assert [key.name for key in listed] == [f"the {name} key"]

    def test_search_looks_at_descriptions_too(self, alices):
        key = alices.create_api_key(ApiKeyDraft("terraform", "Applies CHANGES nightly")).key
        alices.create_api_key(ApiKeyDraft("ansible", ""))

        assert alices.list_api_keys(ApiKeyQuery(search="changes night")).keys == (key,)

    def test_search_follows_an_edit(self, alices, key):
        changed = alices.update_api_key(
            key.id, ApiKeyChanges(name="Tofu", description="new words"), entity_tag=key.entity_tag
        )

        assert alices.list_api_keys(ApiKeyQuery(search="tofu")).keys == (changed,)
        assert alices.list_api_keys(ApiKeyQuery(search="NEW")).keys == (changed,)
        assert alices.list_api_keys(ApiKeyQuery(search="terraform")).keys == ()
        assert alices.list_api_keys(ApiKeyQuery(search="applies")).keys == ()

    @pytest.mark.parametrize(("sort", "descending"), BOTH_WAYS)
    def test_search_holds_on_every_page(self, alices, sort, descending):
        for index in range(8):
            alices.create_api_key(ApiKeyDraft(f"deploy {index}", ""))
            alices.create_api_key(ApiKeyDraft(f"other {index}", ""))
        query = ApiKeyQuery(search="deploy", sort=sort, descending=descending, page_size=3)

        there = forward(alices, query)
        back = backward(alices, query, there[-1])

        assert sorted(key.name for key in _keys(there)) == [f"deploy {index}" for index in range(8)]
        assert [page.keys for page in back] == [page.keys for page in reversed(there)]

    def test_a_search_for_nothing_that_exists_is_an_empty_page(self, alices):
        alices.create_api_key(ApiKeyDraft("terraform", ""))

        assert alices.list_api_keys(ApiKeyQuery(search="ansible")) == ApiKeyPage(())

    @pytest.mark.parametrize("part", [lambda hint: hint, lambda hint: hint[-4:], lambda hint: hint.replace("…", "...")])
    def test_search_finds_a_key_by_its_hint_where_the_store_keeps_it(self, alices, part):
        issued = [alices.create_api_key(ApiKeyDraft(f"key {index}", "")) for index in range(3)]
        wanted = issued[1].key
        hint = values.hint(issued[1].value, "apk_")

        found = alices.list_api_keys(ApiKeyQuery(search=part(hint))).keys

        assert found == ((wanted,) if alices.traits.keeps_hint else ())

    @pytest.mark.parametrize("search", ["pk_…", "…", "apk_", "k_"])
    def test_what_the_hints_of_all_keys_have_in_common_finds_none_of_them(self, alices, search):
        alices.create_api_key(ApiKeyDraft("terraform", ""))

        assert alices.list_api_keys(ApiKeyQuery(search=search)).keys == ()

    # List: filters, and the sorts that not every store has

    @pytest.mark.parametrize("descending", [False, True])
    def test_each_sort_of_the_store_shows_every_key_once_there_and_back(self, alices, descending):
        made = make(alices, *(f"key {index * 7 % 10}" for index in range(4)))
        for days in (3, 1, 2):
            expires_at = in_days(days)
            made.append(alices.create_api_key(ApiKeyDraft(f"for {days}", expires_at=expires_at)).key)

        for sort in alices.traits.sorts:
            query = ApiKeyQuery(sort=sort, descending=descending, page_size=3)
            there = forward(alices, query)
            back = backward(alices, query, there[-1])

            assert sorted(key.id for key in _keys(there)) == sorted(key.id for key in made)
            assert [page.keys for page in back] == [page.keys for page in reversed(there)]

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            (Filters(), {"plain", "disabled", "locked", "both", "soon", "late"}),
            (Filters(status=Status.ACTIVE), {"plain", "soon", "late"}),
            (Filters(status=Status.DISABLED), {"disabled", "both"}),
            (Filters(status=Status.LOCKED), {"locked"}),
            (Filters(status=Status.EXPIRED), set()),
            (Filters(status=Status.LEAKED), set()),
            (Filters(leaked=True), set()),
            (Filters(leaked=False, status=Status.LOCKED), {"locked"}),
            (Filters(expires_within_days=30), {"soon"}),
            (Filters(expires_within_days=MAX_DAYS), {"soon", "late"}),
            (Filters(expires_within_days=0), set()),
            (Filters(created_since=date(2001, 2, 3), expires_within_days=30), {"soon"}),
            (Filters(created_since=date.max), set()),
        ],
    )
    def test_a_list_is_narrowed_down_to_keys_that_meet_every_filter(self, alices, filters, found):
        for draft in (
            ApiKeyDraft("plain"),
            ApiKeyDraft("disabled", disabled=True),
            ApiKeyDraft("locked", locked=True),
            ApiKeyDraft("both", locked=True, disabled=True),
            ApiKeyDraft("soon", expires_at=in_days(10)),
            ApiKeyDraft("late", expires_at=in_days(100)),
        ):
            alices.create_api_key(draft)

        listed = alices.list_api_keys(ApiKeyQuery(filters=filters)).keys

        assert {key.name for key in listed} == found

    def test_filters_and_a_search_hold_on_every_page(self, alices):
        for index in range(8):
            alices.create_api_key(ApiKeyDraft(f"deploy {index}", disabled=index % 2 == 0))
            alices.create_api_key(ApiKeyDraft(f"other {index}", disabled=True))
        filters = Filters(status=Status.DISABLED)
        query = ApiKeyQuery(search="deploy", filters=filters, page_size=3, counted=True)

        there = forward(alices, query)
        back = backward(alices, query, there[-1])

        assert [key.name for key in _keys(there)] == ["deploy 6", "deploy 4", "deploy 2", "deploy 0"]
        assert [page.extent for page in there] == [Extent(0, 4), Extent(3, 4)]
        assert [page.keys for page in back] == [page.keys for page in reversed(there)]

    # List: where a page stands

    @pytest.mark.parametrize(("sort", "descending"), BOTH_WAYS)
    @pytest.mark.parametrize("number", [0, 1, 3, 4, 7])
    def test_each_page_of_a_search_tells_where_it_stands(self, alices, sort, descending, number):
        make(alices, *(f"deploy {index * 7 % 10}" for index in range(number)))
        alices.create_api_key(ApiKeyDraft("another", ""))
        query = ApiKeyQuery(search="deploy", sort=sort, descending=descending, page_size=3, counted=True)

        there = forward(alices, query)
        back = backward(alices, query, there[-1])

        assert [page.extent for page in there] == [Extent(before, number) for before in range(0, max(number, 1), 3)]
        assert [page.extent for page in back] == [page.extent for page in reversed(there)]

    def test_a_whole_list_tells_its_length_and_its_first_page_where_it_begins(self, alices):
        whole, first = ApiKeyQuery(counted=True), ApiKeyQuery(counted=True, page_size=3)
        make(alices, *(f"key {index}" for index in range(4)))

        assert alices.list_api_keys(whole).extent == Extent(0, 4)
        assert alices.list_api_keys(first).extent == Extent(0, 4 if self.counts else None)
        assert alices.list_api_keys(replace(first, counted=False)).extent == Extent()

    def test_later_pages_of_a_list_tell_where_they_stand_or_nothing(self, alices):
        make(alices, *(f"key {index}" for index in range(7)))

        _first, second, third = forward(alices, ApiKeyQuery(page_size=3, counted=True))

        known = [Extent(3, 7), Extent(6, 7)] if self.counts else [Extent(), Extent()]
        assert [second.extent, third.extent] == known

    @pytest.mark.parametrize(("sort", "descending"), BOTH_WAYS)
    @pytest.mark.parametrize("number", [4, 6, 7])
    def test_the_way_to_the_last_page_leads_where_paging_forward_ends(self, alices, sort, descending, number):
        make(alices, *(f"deploy {index * 7 % 10}" for index in range(number)))
        query = ApiKeyQuery(search="deploy", sort=sort, descending=descending, page_size=3, counted=True)
        there = forward(alices, query)

        last = _at(alices, query, there[0].last)
        back = backward(alices, query, last)

        assert there[0].last == END
        assert (last.keys, last.extent, last.next, last.last) == (there[-1].keys, there[-1].extent, None, None)
        assert [page.keys for page in back] == [page.keys for page in reversed(there)]

    def test_keys_that_are_gone_count_no_more(self, alices):
        make(alices, *(f"deploy {index}" for index in range(9)))
        query = ApiKeyQuery(search="deploy", page_size=3, counted=True)
        first, second, _third = forward(alices, query)

        for key in (first.keys[0], first.keys[1], second.keys[2]):
            alices.delete_api_key(key.id)
        after = alices.list_api_keys(replace(query, cursor=first.next))

        assert after.extent == Extent(1, 6)

    @pytest.mark.parametrize("place", [END, Cursor("", "")])
    def test_an_end_of_a_list_without_keys_is_an_empty_page(self, alices, place):
        assert alices.list_api_keys(ApiKeyQuery(search="deploy", cursor=place, counted=True)).keys == ()

    # Limit

    def test_one_key_more_than_allowed_is_refused_and_deleting_makes_room(self, alices, settings):
        self.allow(2, settings)
        first = alices.create_api_key(ApiKeyDraft("one", "")).key
        alices.create_api_key(ApiKeyDraft("two", ""))

        with pytest.raises(ApiKeyLimitReached) as refusal:
            alices.create_api_key(ApiKeyDraft("three", ""))
        alices.delete_api_key(first.id)
        alices.create_api_key(ApiKeyDraft("three", ""))

        assert refusal.value.params == {"limit": 2}
        assert {key.name for key in alices.list_api_keys(ApiKeyQuery()).keys} == {"two", "three"}

    def test_alices_keys_take_no_room_from_bob(self, alices, bobs, settings):
        self.allow(1, settings)
        alices.create_api_key(ApiKeyDraft("alice's", ""))

        bobs.create_api_key(ApiKeyDraft("bob's", ""))

        assert bobs.count_api_keys() == 1

    def test_a_limit_of_zero_is_no_limit(self, alices, settings):
        self.allow(0, settings)

        make(alices, *(f"key {index}" for index in range(3)))

        assert alices.count_api_keys() == 3


def in_days(days: int) -> datetime:
    """Return the moment in so many days; a store may keep minutes only."""
    return (datetime.now(UTC) + timedelta(days=days)).replace(second=0, microsecond=0)


def make(backend: ApiKeyBackend, *names: str) -> list[ApiKey]:
    """Create keys of these names, the last one newest."""
    return [backend.create_api_key(ApiKeyDraft(name)).key for name in names]


def forward(backend: ApiKeyBackend, query: ApiKeyQuery) -> list[ApiKeyPage]:
    """Return the page and all that follow it."""
    pages = [backend.list_api_keys(query)]
    for _ in itertools.repeat(None, MAX_PAGES):
        if pages[-1].next is None:
            return pages
        assert not pages[-1].next.backward
        pages.append(_at(backend, query, pages[-1].next))
    raise AssertionError("paging forward does not end")


def backward(backend: ApiKeyBackend, query: ApiKeyQuery, last: ApiKeyPage) -> list[ApiKeyPage]:
    """Return `last` and all pages before it, walking back."""
    pages = [last]
    for _ in itertools.repeat(None, MAX_PAGES):
        if pages[-1].previous is None:
            return pages
        assert pages[-1].previous.backward
        pages.append(_at(backend, query, pages[-1].previous))
    raise AssertionError("paging back does not end")


def _at(backend: ApiKeyBackend, query: ApiKeyQuery, cursor) -> ApiKeyPage:
    return backend.list_api_keys(replace(query, cursor=cursor))


def _keys(pages: list[ApiKeyPage]) -> list[ApiKey]:
    return [key for page in pages for key in page.keys]


def _refusal(act, *arguments: object) -> ApiKeyError:
    with pytest.raises(ApiKeyError) as caught:
        act(*arguments)
    return caught.value
