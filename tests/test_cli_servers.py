"""The command line and servers that misbehave, private authorities, proxies."""

import json
import sys
from pathlib import Path

import pytest

from tests.cast import PASSWORD
from tests.cli_person import log_in, names, refused
from tests.fault_server import NOT_IAMS
from tests.neighbours import Fixed, Relay, Silent, make_certificates

pytestmark = pytest.mark.once

# Runs the command line with less patience, so that no test waits for the usual seconds.
IMPATIENT = """
import sys
from apikeys.cli.main import main
from apikeys.iam import transport
transport.READ_SECONDS = 0.3
sys.exit(main())
"""

# Servers that misbehave


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:99999", "http://a b"])
def test_an_address_that_is_none(terminal, url):
    refused(log_in(terminal, url), f"The URL {url} can't be used. Write it like https://console.example.com.")


def test_a_refused_connection(terminal):
    with Silent() as gone:
        pass

    refused(log_in(terminal, gone.url), f"There is no connection to {gone.url[7:]}. Check the URL and the network.")


def test_a_name_without_a_scheme_means_https(terminal):
    done = log_in(terminal, "console.test:1")

    assert "API endpoint: https://console.test:1\n" in done.out
    refused(done, "There is no connection to ")


def test_this_machine_without_a_scheme_means_http(terminal, site, site_alice):
    done = terminal.run("login", "-a", site.url.removeprefix("http://"), "-u", site_alice.username, "-p", PASSWORD)

    assert done.status == 0, done.err
    assert f"API endpoint: {site.url}\n" in done.out


LOG_IN, LIST = ["login", "-u", "alice", "-p", PASSWORD], ["iam", "api-keys"]  # a list is asked for again


@pytest.mark.parametrize("command", [LOG_IN, LIST], ids=["log-in", "list"])
def test_no_answer_in_time(logged_in, command):
    with Silent() as silent:
        logged_in.change_session(url=silent.url)
        done = logged_in.execute([sys.executable, "-c", IMPATIENT, *command])

    refused(done, f"{silent.url[7:]} did not answer in time.")


@pytest.mark.parametrize("status", [200, 404, 418])
def test_an_answer_in_html(terminal, status):
    with Fixed(status, "<!doctype html><title>Welcome</title>", Content_Type="text/html") as website:
        done = log_in(terminal, website.url)

    refused(done, "Check the URL")
    assert "<" not in done.err


@pytest.mark.parametrize(
    ("command", "body"),
    [
        *(
            (LOG_IN, body)
            for body in ("[]", "7", '{"access_token": "x"}', "{}", '{"access_token": "x", "expiration": "?"}')
        ),
        *((LIST, body) for body in ("{}", '{"apikeys": 7}', "[]", "<html>")),
    ],
)
def test_an_answer_that_is_not_iams(logged_in, command, body):
    with Fixed(200, body, Content_Type="application/json") as other:
        logged_in.change_session(url=other.url)
        done = logged_in.run(*command)

    refused(done, NOT_IAMS)


def test_a_list_that_repeats_itself(logged_in):
    body = json.dumps({"apikeys": [], "next": "http://x/v1/apikeys?pagetoken=again"})
    with Fixed(200, body, Content_Type="application/json") as other:
        logged_in.change_session(url=other.url)
        done = logged_in.run("iam", "api-keys")

    refused(done, "repeats itself")
    assert len(other.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(terminal, logged_in, site, status):
    with Relay(site.url) as target:
        with Fixed(status, Location=f"{target.url}/identity/token") as elsewhere:
            refused(log_in(terminal, elsewhere.url), "Check the URL")
            logged_in.change_session(url=elsewhere.url)
            refused(logged_in.run("iam", "api-keys"), "Check the URL")
        assert target.asked == []


def test_a_question_is_repeated_after_a_passing_fault_and_a_creation_never(logged_in, site, alices):
    with Relay(site.url, failures=(503, 429)) as relay:
        logged_in.change_session(url=relay.url)
        assert names(logged_in) == []
        assert len(relay.asked) == 3

    with Relay(site.url, failures=(503,)) as relay:
        logged_in.change_session(url=relay.url)
        refused(logged_in.run("iam", "api-key-create", "MyKey"), "status 503")
        assert relay.asked == [("POST", "/v1/apikeys")]
    assert alices.listed() == []


def test_a_password_for_the_same_machine_in_netrc_is_not_sent_in_place_of_the_token(logged_in, site_alice):
    netrc = logged_in.home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)

    assert names(logged_in) == []


# Certificates and proxies


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> tuple[Path, Path]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_a_private_authority_is_trusted_when_told_so(terminal, site, site_alice, certificates):
    authority, certificate = certificates
    with Relay(site.url, certificate) as front:
        done = terminal.run(
            "login", "-a", front.url, "-u", site_alice.username, "-p", PASSWORD, REQUESTS_CA_BUNDLE=str(authority)
        )

        assert done.status == 0, done.err
        assert terminal.run("iam", "api-keys", REQUESTS_CA_BUNDLE=str(authority)).status == 0
        refused(terminal.run("iam", "api-keys"), "is not trusted.")
    assert [target.partition("?")[0] for _method, target in front.asked] == ["/identity/token", "/v1/apikeys"]


@pytest.mark.parametrize(
    ("host", "authorities"),
    [("localhost", ""), ("127.0.0.1", "authority.pem"), ("localhost", "/no/such/file.pem")],
    ids=["an unknown authority", "another name", "a missing file of authorities"],
)
def test_a_certificate_is_not_trusted(terminal, site, certificates, host, authorities):
    bundle = str(certificates[0].parent / authorities) if authorities else ""
    with Relay(site.url, certificates[1]) as front:
        done = log_in(terminal, front.url.replace("localhost", host), REQUESTS_CA_BUNDLE=bundle)

    refused(done, f"The certificate of {host}:{front.url.rpartition(':')[2]} is not trusted.")
    assert front.asked == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_used(terminal, site, site_alice, variable):
    with Relay(site.url) as proxy:
        done = terminal.run(
            *("login", "-a", "http://console.test", "-u", site_alice.username, "-p", PASSWORD),
            **{variable: proxy.url, "APIKEYS_ALLOW_HTTP": "true"},
        )

    assert done.status == 0, done.err
    assert proxy.asked == [("POST", "http://console.test/identity/token")]


def test_what_no_proxy_names_is_asked_directly(terminal, site, site_alice):
    with Silent() as gone:
        pass

    done = terminal.run(
        "login", "-a", site.url, "-u", site_alice.username, "-p", PASSWORD, HTTP_PROXY=gone.url, NO_PROXY="127.0.0.1"
    )

    assert done.status == 0, done.err


def test_a_proxy_for_https_is_asked_for_a_tunnel(terminal):
    with Fixed(403) as proxy:
        done = log_in(terminal, "https://console.test", HTTPS_PROXY=proxy.url)

    refused(done, "The proxy did not let the request through to console.test.")
    assert proxy.asked[0] == ("CONNECT", "console.test:443")
