"""The statements that look values and tokens up find what the ORM finds, whatever has happened to keys and people."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from apikeys import values
from apikeys.backends.records import to_domain
from apikeys.domain import Identity
from apikeys.identity import lookups, users
from apikeys.models import ApiKeyRecord, Revocation, ServiceIdRecord, SigningKey
from apikeys.values import Peppers
from console.models import User

PEPPERS = Peppers.parse(f"1:{'11' * 32},2:{'22' * 32}")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class World:
    """What has happened: to a person with a key, to a service ID with a key, and to a token."""

    pepper: int
    person: str
    service: str
    may_create_keys: bool
    disabled: bool
    locked: bool
    leaked: bool
    expires: timedelta | None
    revoked: frozenset[str]
    signed_here: bool
    superuser: bool
    name: str = field(default="deploy")


WORLDS = st.builds(
    World,
    pepper=st.sampled_from([1, 2]),
    person=st.sampled_from(["active", "deactivated", "deleted"]),
    service=st.sampled_from(["there", "of the release before", "handed over", "disabled", "deleted"]),
    may_create_keys=st.booleans(),
    disabled=st.booleans(),
    locked=st.booleans(),
    leaked=st.booleans(),
    expires=st.sampled_from([None, -DAY, DAY, timedelta(seconds=-1)]),
    revoked=st.frozensets(st.sampled_from(["token", "log-in", "another"])),
    signed_here=st.booleans(),
    superuser=st.booleans(),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
)


@dataclass
class Built:
    person: User
    keys: dict[str, ApiKeyRecord]
    values: dict[str, str]
    kid: str
    ids: dict[str, uuid.UUID]


def build(world: World) -> Built:
    person = User.objects.create_user(
        "alice",
        first_name=world.name[:20],
        is_superuser=world.superuser,
        is_active=world.person == "active",
        may_create_keys=world.may_create_keys,
    )
    managers = {"of the release before": None, "handed over": User.objects.create_user("bob").iam_id}
    service = ServiceIdRecord.objects.create(
        account_id=person.account_id,
        created_by=person.iam_id,
        managed_by=managers.get(world.service, person.iam_id),
        disabled=world.service == "disabled",
        name=world.name,
        iam_id=f"iam-ServiceId-{uuid.uuid4()}",
    )
    made = {owner: values.generate("apk_") for owner in (person.iam_id, service.iam_id)}
    keys = {
        owner: ApiKeyRecord.objects.create(
            iam_id=owner,
            account_id=person.account_id,
            created_by=person.iam_id,
            name=world.name,
            name_folded=world.name.lower(),
            pepper=world.pepper,
            digest=PEPPERS.digest(value, world.pepper),
            hint="",
            disabled=world.disabled,
            locked=world.locked,
            leaked=world.leaked,
            expires_at=world.expires and timezone.now() + world.expires,
        )
        for owner, value in made.items()
    }
    ids = {name: uuid.uuid4() for name in ("token", "log-in", "another")}
    for name in world.revoked:
        Revocation.objects.create(id=ids[name], expires_at=timezone.now() + DAY)
    kid = uuid.uuid4().hex
    SigningKey.objects.create(kid=kid if world.signed_here else uuid.uuid4().hex, sealed_private_key=b"")
    if world.person == "deleted":
        person.delete()
    if world.service == "deleted":
        service.delete()
    return Built(person, keys, made, kid, ids)


def holder_by_orm(iam_id: str) -> Identity | None:
    person = User.objects.filter(iam_id=iam_id, is_active=True).first()
    if person is not None:
        return users.identity_of(person)
    service = ServiceIdRecord.objects.filter(iam_id=iam_id, disabled=False).first()
    manager = service and User.objects.filter(iam_id=service.managed_by or service.created_by, is_active=True).first()
    if service is None or manager is None:
        return None
    return Identity(iam_id, service.account_id, service.name, "", may_create_keys=manager.may_create_keys)


def facts(key: object) -> tuple | None:
    names = ("id", "name", "iam_id", "disabled", "expires_at")
    return key and tuple(getattr(key, name) for name in names)


@pytest.mark.usefixtures("several_peppers")
class TestStatements(TestCase):
    @given(WORLDS)
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_what_is_found_of_a_value_is_what_the_orm_finds(self, world: World) -> None:
        built = build(world)

        for owner, value in built.values.items():
            found = lookups.find_value(["no value", f" {value}", value])
            row = ApiKeyRecord.objects.filter(digest=PEPPERS.digest(value, world.pepper)).first()
            assert (found is None) == (row is None)
            if found is not None and row is not None:
                assert found.value == value
                assert facts(found.key) == facts(row)
                assert (found.record.id, found.record.pepper, found.record.digest) == (row.id, row.pepper, row.digest)
                assert (found.holder and found.holder.identity) == holder_by_orm(owner)
                assert users.is_active(owner) == bool(found.holder)

    @given(WORLDS, st.sampled_from(["", "own", "another's", "unknown"]))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_what_is_found_of_a_token_is_what_the_orm_finds(self, world: World, whose_key: str) -> None:
        built = build(world)
        owners = list(built.keys)

        for owner, other in (owners, owners[::-1]):
            ids = {"": "", "own": built.keys[owner].id, "another's": built.keys[other].id, "unknown": "ApiKey-0"}
            key_id = ids[whose_key]
            token = {"kid": built.kid, "ids": [built.ids["token"], built.ids["log-in"]]}
            source = lookups.find_source(owner, key_id, **token)
            assert (source.holder and source.holder.identity) == holder_by_orm(owner)
            assert facts(source.key) == facts(ApiKeyRecord.objects.filter(id=key_id, iam_id=owner).first())
            assert source.is_revoked == bool(world.revoked & {"token", "log-in"})
            assert source.is_signed_here == world.signed_here
            for value in (built.values[owner], built.values[other], "no value"):
                asked = [f" {value}", value]
                assert lookups.find_both(asked, owner, key_id, **token) == (source, lookups.find_value(asked))
                _source, found = lookups.find_both(asked, owner, key_id, **token, whole=True)
                row = ApiKeyRecord.objects.filter(digest=PEPPERS.digest(value, world.pepper)).first()
                assert (found and to_domain(found.record)) == (row and to_domain(row))

    def test_a_password_that_was_changed_has_another_stamp_at_once(self) -> None:
        person = User.objects.create_user("alice", password="correct horse battery staple")
        before = lookups.find_source(person.iam_id).holder
        person.set_password("another password altogether")
        person.save()
        after = lookups.find_source(person.iam_id).holder

        assert before is not None and after is not None
        assert before.password_stamp != after.password_stamp
        assert after.password_stamp == users.password_stamp(User.objects.get())

    def test_nothing_is_found_of_nothing(self) -> None:
        assert lookups.find_value([]) is None
        assert lookups.find_value(["unknown"]) is None
        assert lookups.find_source("nobody") == lookups.Source(None, None, is_signed_here=False, is_revoked=False)


@pytest.fixture
def several_peppers(settings):
    settings.APIKEYS_PEPPERS = PEPPERS
    assert django_settings.APIKEYS_PEPPERS is PEPPERS
