"""The store upstream keeps the contract; here a console in a process of its own, over a real socket."""

import pytest

from apikeys.backends.ibm_cloud import IBMCloudBackend
from apikeys.domain import ApiKeyDraft, ApiKeyQuery, Caller, Cursor, Filters, Identity, Sort
from apikeys.exceptions import InvalidApiKey
from tests.contract import ApiKeyBackendContract
from tests.server import ConsoleServer
from tests.upstream import LastingToken

pytestmark = pytest.mark.once  # the contract with the database is in test_embedded_backend.py

# The contract speaks of Alice and Bob; at the other console they are Alice and Bob.


@pytest.fixture
def upstream(site, settings):
    """The settings of a console whose upstream is another one."""
    settings.IAM_URL = site.url
    settings.IAM_HOST = site.url.removeprefix("http://")
    return settings


def backend_of(site, person) -> IBMCloudBackend:
    access = LastingToken(site.log_in(person).token)
    identity = Identity(person.iam_id, person.account_id, person.username, person.email)
    return IBMCloudBackend(Caller(identity, access=access))


class TestIBMCloudBackend(ApiKeyBackendContract):
    counts = False

    @pytest.fixture
    def alice(self, site_alice):
        return site_alice

    @pytest.fixture
    def bob(self, site_bob):
        return site_bob

    @pytest.fixture(autouse=True)
    def there(self, site, site_alice, upstream):
        self.site, self.owner, self.limited = site, site_alice, None
        yield
        if self.limited:
            self.limited.__exit__()

    def backend(self, person):
        return backend_of(self.site, person)

    def lock(self, key_id):
        """As its owner, Alice, does there: what an administrator locks, she cannot unlock."""
        answer = self.site.log_in(self.owner).post(f"/v1/apikeys/{key_id}/lock")
        assert answer.status_code == 204

    def allow(self, limit, settings):
        """From now on ask a second process on the same database, which was started with this limit."""
        issuer = self.site.url.replace("127.0.0.1", "localhost")  # of the tokens, also here
        self.limited = ConsoleServer(self.site.server.data_dir, APIKEYS_PER_IDENTITY=str(limit), PUBLIC_URL=issuer)
        self.limited.__enter__()
        settings.IAM_URL = self.limited.url

    def test_a_list_goes_on_from_its_beginning_where_a_page_token_is_no_longer_known(self, alices):
        key = alices.create_api_key(ApiKeyDraft("terraform")).key

        page = alices.list_api_keys(ApiKeyQuery(cursor=Cursor("a-token-of-yesterday", "")))

        assert page.keys == (key,)

    @pytest.mark.parametrize("sort", [Sort.LAST_USED, Sort.EXPIRES])
    def test_what_iam_cannot_sort_by_is_refused_in_a_sentence(self, alices, sort):
        with pytest.raises(InvalidApiKey, match="can't be sorted by this"):
            alices.list_api_keys(ApiKeyQuery(sort=sort))

    def test_keys_are_not_filtered_by_their_last_use_which_no_list_of_iams_tells(self, alices):
        with pytest.raises(InvalidApiKey, match="can't be filtered by this"):
            alices.list_api_keys(ApiKeyQuery(filters=Filters(unused_for_days=90)))
