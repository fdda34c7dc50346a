"""Revoked means now: two server processes on one database, and the very next call on the other one is refused.

Each test acts at one server and then asks the other, with the key itself and with an access token made before.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import jwt
import pytest

from tests.cast import PASSWORD
from tests.programs import API_KEY_GRANT, CLIENT, Console, Person, Program, Site
from tests.server import ConsoleServer

UNKNOWN_KEY = (400, "BXNIM0415E")
THREADS = 4
CALLS_AFTERWARDS = 10
MOST_CALLS = 2000


@dataclass
class Pair:
    """Two servers of one console: `here` something is done, `there` it must hold."""

    here: Site
    there: Console


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    data_dir = tmp_path_factory.mktemp("pair") / "data"
    with (
        ConsoleServer(data_dir, PUBLIC_URL="http://console.test") as here,
        ConsoleServer(data_dir, PUBLIC_URL="http://console.test") as there,
    ):
        yield Pair(Site(here), Console(there))
        assert "Traceback" not in here.log + there.log


@dataclass
class Witness:
    """A key of Alice's, an access token made from it on each server, and Bob who asks about them."""

    pair: Pair
    person: Person
    alices: Program
    bobs: Program
    key: dict
    tokens: list[str]

    def lives(self) -> bool:
        """Tell whether the key and its tokens work at the other server; partly is a failure."""
        there, value = self.pair.there, self.key["apikey"]
        exchange = there.exchange(value)
        found = {exchange.status_code == 200}
        if exchange.status_code != 200:
            assert (exchange.status_code, exchange.json()["errorCode"]) == UNKNOWN_KEY
        for token in self.tokens:
            found.add(not there.with_token(token).refused())
            found.add(self.introspected(token=token))
        found.add(self.introspected(apikey=value))
        assert len(found) == 1, "some of it works, some does not"
        return found.pop()

    def introspected(self, **form: str) -> bool:
        answer = self.pair.there.introspect(self.bobs, **form)
        if not answer["active"]:
            assert answer == {"active": False}
        return bool(answer["active"])


@pytest.fixture
def witness(pair: Pair) -> Witness:
    site_alice, site_bob = pair.here.next_person("alice"), pair.here.next_person("bob")
    alices, bobs = pair.here.log_in(site_alice), pair.here.log_in(site_bob)
    key = alices.create_key("deploy")
    tokens = [pair.here.use(key["apikey"]).token, pair.there.use(key["apikey"]).token]
    found = Witness(pair, site_alice, alices, bobs, key, tokens)
    assert found.lives()
    return found


def password_grant(console: Console, person: Person):
    return console.token_request(client=True, grant_type="password", username=person.username, password=PASSWORD)


def tokens_of(console: Console, person: Person) -> dict:
    answer = password_grant(console, person)
    assert answer.status_code == 200
    return dict(answer.json())


def renewal(console: Console, token: str):
    return console.token_request(client=True, grant_type="refresh_token", refresh_token=token)


def change_person(pair: Pair, person: Person, code: str) -> None:
    pair.here.server.run_python(
        f"from console.models import User\nuser = User.objects.get(username={person.username!r})\n{code}\nuser.save()"
    )


# A key


def test_a_deleted_key_is_dead_on_the_other_server_at_once(witness):
    assert witness.alices.delete(f"/v1/apikeys/{witness.key['id']}").status_code == 204

    assert not witness.lives()


def test_a_disabled_key_is_dead_on_the_other_server_until_it_is_enabled(witness):
    address = f"/v1/apikeys/{witness.key['id']}/disable"

    assert witness.alices.post(address).status_code == 204
    assert not witness.lives()

    assert witness.alices.delete(address).status_code == 204
    assert witness.lives()


def test_an_expired_key_is_dead_on_the_other_server_until_its_date_is_moved(witness):
    address, any_tag = f"/v1/apikeys/{witness.key['id']}", {"If-Match": "*"}

    expired = witness.alices.put(address, json={"expires_at": "2020-01-31T18:00+0000"}, headers=any_tag)
    assert expired.json()["expires_at"] == "2020-01-31T18:00+0000"
    assert not witness.lives()

    assert witness.alices.put(address, json={"expires_at": ""}, headers=any_tag).status_code == 200
    assert witness.lives()


def test_a_key_dies_by_itself_at_its_date_on_both_servers(witness):
    soon = time.gmtime(time.time() + 3)
    date = time.strftime("%Y-%m-%dT%H:%M:%S+0000", soon)
    answer = witness.alices.put(
        f"/v1/apikeys/{witness.key['id']}", json={"expires_at": date}, headers={"If-Match": "*"}
    )
    assert answer.status_code == 200

    there, pause = witness.pair.there, threading.Event()
    for _attempt in range(MOST_CALLS):
        if there.exchange(witness.key["apikey"]).status_code != 200:
            break
        pause.wait(0.05)

    assert not witness.lives()


def test_a_locked_key_still_authenticates(witness):
    assert witness.alices.post(f"/v1/apikeys/{witness.key['id']}/lock").status_code == 204

    assert witness.lives()


def test_a_refresh_token_dies_with_its_key(witness):
    value = witness.key["apikey"]
    answer = witness.pair.here.token_request(client=True, grant_type=API_KEY_GRANT, apikey=value).json()

    witness.alices.delete(f"/v1/apikeys/{witness.key['id']}")

    refused = renewal(witness.pair.there, answer["refresh_token"])
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "BXNIM0407E")


def test_a_service_ids_token_dies_with_its_key(witness):
    made = witness.alices.post("/v1/serviceids", json={"name": "robot", "account_id": witness.person.account_id})
    key = witness.alices.create_key("its key", iam_id=made.json()["iam_id"])
    robots = witness.pair.there.use(key["apikey"])
    assert not robots.refused()

    witness.alices.delete(f"/v1/apikeys/{key['id']}")

    assert robots.refused()
    assert witness.lives()


@pytest.fixture
def robot(witness) -> Witness:
    """A key of a service ID of Alice's."""
    made = witness.alices.post("/v1/serviceids", json={"name": "robot", "account_id": witness.person.account_id})
    key = witness.alices.create_key("its key", iam_id=made.json()["iam_id"])
    tokens = [witness.pair.here.use(key["apikey"]).token, witness.pair.there.use(key["apikey"]).token]
    found = Witness(witness.pair, witness.person, witness.alices, witness.bobs, key, tokens)
    assert found.lives()
    return found


def refresh_token_of(console: Console, value: str) -> str:
    return str(console.token_request(client=True, grant_type=API_KEY_GRANT, apikey=value).json()["refresh_token"])


def test_a_disabled_service_id_is_dead_on_the_other_server_until_it_is_enabled(pair, witness, robot):
    address = f"/v1/serviceids/{robot.key['iam_id'].removeprefix('iam-')}/disable"
    refresh_token = refresh_token_of(pair.here, robot.key["apikey"])

    assert robot.alices.post(address).status_code == 204
    assert not robot.lives()
    assert renewal(pair.there, refresh_token).status_code == 400
    assert witness.lives()

    assert robot.alices.delete(address).status_code == 204
    assert robot.lives()
    assert renewal(pair.there, refresh_token).status_code == 200


def test_the_service_ids_of_a_deactivated_person_are_dead_until_the_account_is_opened_again(pair, robot):
    refresh_token = refresh_token_of(pair.here, robot.key["apikey"])
    reads_details = pair.there.with_token(robot.tokens[0]), {"headers": {"IAM-ApiKey": robot.key["apikey"]}}

    change_person(pair, robot.person, "user.is_active = False")
    assert not robot.lives()
    assert renewal(pair.there, refresh_token).status_code == 400
    assert reads_details[0].get("/v1/apikeys/details", **reads_details[1]).status_code == 401

    change_person(pair, robot.person, "user.is_active = True")
    assert robot.lives()
    assert renewal(pair.there, refresh_token).status_code == 200
    assert reads_details[0].get("/v1/apikeys/details", **reads_details[1]).status_code == 200


def test_the_service_ids_of_a_person_who_is_gone_are_dead(pair, robot):
    change_person(pair, robot.person, "User.objects.filter(pk=user.pk).delete(); user.save = lambda: None")

    assert not robot.lives()


def test_somebody_elses_deletion_leaves_this_key_alone(witness):
    other = witness.bobs.create_key()

    witness.bobs.delete(f"/v1/apikeys/{other['id']}")

    assert witness.lives()


# A person


def test_all_that_a_deactivated_person_had_is_dead_until_the_account_is_opened_again(pair, witness):
    alices = pair.there.with_token(witness.alices.token)
    refresh_token = tokens_of(pair.here, witness.person)["refresh_token"]

    change_person(pair, witness.person, "user.is_active = False")
    assert not witness.lives()
    assert alices.refused()
    assert renewal(pair.there, refresh_token).status_code == 400
    assert not witness.introspected(token=witness.alices.token)
    refused = password_grant(pair.there, witness.person)
    assert (refused.status_code, refused.json()["errorCode"]) == (401, "BXNIM0602E")

    change_person(pair, witness.person, "user.is_active = True")
    assert witness.lives()
    assert not alices.refused()
    assert renewal(pair.there, refresh_token).status_code == 200


def test_a_new_password_ends_what_the_old_one_gave_and_leaves_keys_alone(pair, witness):
    answer = tokens_of(pair.here, witness.person)
    old = pair.there.with_token(answer["access_token"])
    assert not old.refused()

    change_person(pair, witness.person, "user.set_password('another horse, another battery')")

    assert old.refused()
    assert not witness.introspected(token=old.token)
    refused = renewal(pair.there, answer["refresh_token"])
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "BXNIM0407E")
    assert witness.lives()


def test_all_that_a_deleted_person_had_is_dead_for_good(pair, witness):
    alices = pair.there.with_token(witness.alices.token)

    pair.here.server.run_python(
        f"from console.models import User\nUser.objects.get(username={witness.person.username!r}).delete()"
    )

    assert not witness.lives()
    assert alices.refused()


# At the same moment


def test_no_call_that_begins_after_the_deletion_was_acknowledged_succeeds(witness):
    """Programs call without a pause while the key is deleted on the other server."""
    there, value = witness.pair.there, witness.key["apikey"]
    begun, acknowledged = threading.Barrier(2 * THREADS + 1), threading.Event()

    def call_again_and_again(call) -> list[tuple[float, bool]]:
        seen: list[tuple[float, bool]] = []
        afterwards = 0
        seen.append((time.monotonic(), call()))
        begun.wait(60)
        while afterwards < CALLS_AFTERWARDS and len(seen) < MOST_CALLS:
            afterwards += acknowledged.is_set()
            seen.append((time.monotonic(), call()))
        return seen

    def exchanges() -> bool:
        return there.exchange(value).status_code == 200

    def lists() -> bool:
        return not there.with_token(witness.tokens[0]).refused()

    with ThreadPoolExecutor(2 * THREADS) as pool:
        calls = [pool.submit(call_again_and_again, call) for call in [exchanges, lists] * THREADS]
        begun.wait(60)
        assert witness.alices.delete(f"/v1/apikeys/{witness.key['id']}").status_code == 204
        deleted_at = time.monotonic()
        acknowledged.set()
        seen = [call.result() for call in calls]

    assert all(thread[0][1] for thread in seen), "each thread began with a call that succeeded"
    afterwards = [succeeded for thread in seen for started_at, succeeded in thread if started_at > deleted_at]
    assert len(afterwards) >= 2 * THREADS * CALLS_AFTERWARDS
    assert not any(afterwards)
    assert not witness.lives()


# Refresh tokens


def test_a_refresh_token_works_once_and_used_again_ends_its_family(pair, witness):
    first, other = (tokens_of(pair.here, witness.person)["refresh_token"] for _log_in in range(2))

    second = renewal(pair.there, first).json()["refresh_token"]
    third = renewal(pair.here, second).json()["refresh_token"]
    assert len({first, second, third}) == 3

    stolen = renewal(pair.there, first)

    assert (stolen.status_code, stolen.json()["errorCode"]) == (400, "BXNIM0407E")
    assert renewal(pair.here, third).status_code == 400
    assert renewal(pair.there, other).status_code == 200


def test_of_many_renewals_with_one_refresh_token_at_once_only_one_succeeds(pair, witness):
    token = tokens_of(pair.here, witness.person)["refresh_token"]
    start = threading.Barrier(2 * THREADS)

    def renew(console: Console) -> int:
        start.wait(60)
        return renewal(console, token).status_code

    with ThreadPoolExecutor(2 * THREADS) as pool:
        statuses = list(pool.map(renew, [pair.here, pair.there] * THREADS))

    assert sorted(statuses) == [200, *[400] * (2 * THREADS - 1)]


# Tokens that their owner ends


def revoke(console: Console, token: str, client: tuple[str, str] | None = CLIENT) -> None:
    answer = Program(console.url).post("/identity/revoke", data={"token": token}, auth=client)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("client", [CLIENT, None])
def test_an_access_token_that_is_revoked_is_dead_on_the_other_server_and_alone(pair, witness, client):
    here, there = witness.tokens

    revoke(pair.here, here, client)

    assert pair.there.with_token(here).refused()
    assert pair.here.with_token(here).refused()
    assert not witness.introspected(token=here)
    assert not pair.there.with_token(there).refused()
    assert pair.there.exchange(witness.key["apikey"]).status_code == 200


def test_a_refresh_token_that_is_revoked_ends_all_that_came_of_its_log_in(pair, witness):
    first, other = tokens_of(pair.here, witness.person), tokens_of(pair.here, witness.person)
    second = renewal(pair.there, first["refresh_token"]).json()

    revoke(pair.here, first["refresh_token"])  # used before, and still of the family

    assert renewal(pair.there, second["refresh_token"]).json()["errorCode"] == "BXNIM0407E"
    for ended in (first, second):
        assert pair.there.with_token(ended["access_token"]).refused()
        assert not witness.introspected(token=ended["access_token"])
    assert not pair.there.with_token(other["access_token"]).refused()
    assert renewal(pair.there, other["refresh_token"]).status_code == 200


def test_a_refresh_token_that_is_used_again_ends_its_access_tokens_too(pair, witness):
    first = tokens_of(pair.here, witness.person)
    second = renewal(pair.here, first["refresh_token"]).json()

    renewal(pair.there, first["refresh_token"])

    assert pair.there.with_token(second["access_token"]).refused()


def test_renewals_at_the_moment_of_the_revocation_leave_nothing_alive(pair, witness):
    tokens = tokens_of(pair.here, witness.person)
    start = threading.Barrier(THREADS + 1)

    def renew_on_and_on(console: Console) -> list[dict]:
        start.wait(60)
        found, token = [tokens], tokens["refresh_token"]
        while (answer := renewal(console, token)).status_code == 200:
            found.append(answer.json())
            token = found[-1]["refresh_token"]
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        chains = [pool.submit(renew_on_and_on, console) for console in [pair.here, pair.there] * (THREADS // 2)]
        start.wait(60)
        revoke(pair.there, tokens["refresh_token"])
        made = [found for chain in chains for found in chain.result()]

    assert all(pair.here.with_token(found["access_token"]).refused() for found in made)
    assert {renewal(pair.here, found["refresh_token"]).status_code for found in made} == {400}


def test_what_is_no_good_token_is_revoked_without_a_word_and_nothing_else_ends(pair, witness):
    for token in ("unknown", "a.b.c", witness.tokens[0][:-20], witness.key["apikey"], witness.key["id"]):
        revoke(pair.here, token)

    assert witness.lives()


def test_refresh_tokens_end_for_good_30_days_after_the_log_in(pair, witness):
    token = tokens_of(pair.here, witness.person)["refresh_token"]
    days = move_log_in(pair, token, "timedelta(days=29, hours=23)")
    assert 29.9 < days < 30.1

    last = renewal(pair.there, token).json()
    assert not pair.here.with_token(last["access_token"]).refused()
    move_log_in(pair, last["refresh_token"], "timedelta(hours=1)")
    expired = renewal(pair.there, last["refresh_token"])

    assert (expired.status_code, expired.json()["errorCode"]) == (400, "BXNIM0408E")


def move_log_in(pair: Pair, token: str, back: str) -> float:
    """Let a log-in have been earlier, its refresh token being as good as one from now; return the days it had left."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return float(
        pair.here.server.run_python(
            "from datetime import timedelta\n"
            "from django.utils import timezone\n"
            "from apikeys.models import RefreshToken\n"
            f"row = RefreshToken.objects.get(digest={digest!r})\n"
            "print((row.family_ends_at - timezone.now()).total_seconds() / 86400)\n"
            f"row.family_ends_at -= {back}\n"
            "row.expires_at = min(timezone.now() + timedelta(hours=72), row.family_ends_at)\n"
            "row.save()"
        ).splitlines()[-1]
    )


# Signing keys


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def published(console: Console) -> set[str]:
    return {key["kid"] for key in Program(console.url).get("/identity/keys").json()["keys"]}


PUBLISHED_LONG_AGO = """
from datetime import timedelta
from django.utils import timezone
from apikeys.models import SigningKey
SigningKey.objects.filter(signs_from__gt=timezone.now()).update(signs_from=timezone.now())
"""


def test_a_new_signing_key_is_published_before_it_signs_and_tokens_stay_valid_on_both_servers(pair, witness):
    before = witness.tokens[0]
    said = pair.here.server.manage("rotate_signing_key")
    [new] = published(pair.there) - {kid_of(token) for token in witness.tokens} & published(pair.here)
    assert new in said
    for console in (pair.here, pair.there):
        assert kid_of(console.use(witness.key["apikey"]).token) == kid_of(before)
    known_to_verifiers = published(pair.there)

    pair.here.server.run_python(PUBLISHED_LONG_AGO)

    for console in (pair.here, pair.there):
        after = console.use(witness.key["apikey"]).token
        assert kid_of(after) == new
        assert new in known_to_verifiers
        assert {kid_of(before), new} <= published(console)
        for checking in (pair.here, pair.there):
            assert not checking.with_token(before).refused()
            assert not checking.with_token(after).refused()
    assert witness.lives()


def test_anybody_can_check_a_token_with_the_published_keys_and_it_names_no_audience(pair, witness):
    jwks = jwt.PyJWKSet.from_dict(Program(pair.there.url).get("/identity/keys").json())

    for token in (*witness.tokens, witness.alices.token):
        key = jwks[kid_of(token)]
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer="http://console.test/identity")
        assert key.key.key_size == 3072
        assert claims["iam_id"] == witness.person.iam_id
        assert claims["amr"] == ["pwd"]
        assert "aud" not in claims
        assert claims["exp"] - claims["iat"] == 3600
