"""Where webhooks go: to the internet, or where a setting says, whatever a name, a redirect or a receiver tries."""

import socket
import threading
import time

import pytest

from apikeys.exceptions import InvalidApiKey
from apikeys.iam import sockets
from console.outbox.senders import NotDelivered
from console.webhooks import messages, receivers, sending, signing
from console.webhooks.models import Webhook
from tests.neighbours import Silent, make_certificates
from tests.receiver import Receiver

pytestmark = pytest.mark.once

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "127.0.0.1", "127.8.9.1", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200",
    "169.254.169.254", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
    "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fe80::1",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "2002:7f00:1::1", "2002:a9fe:a9fe::", "2002:808:808::1", "2001::1",
]  # fmt: skip


@pytest.fixture
def here(settings):
    """Webhooks may go to this machine."""
    settings.WEBHOOKS_ALLOWED_NETWORKS, settings.WEBHOOKS_HTTP = "127.0.0.0/8 ::1", True


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def send(url: str) -> str:
    webhook = Webhook(name="SIEM")
    webhook.sealed_url, webhook.sealed_secret = (
        signing.sealed(url, webhook),
        signing.sealed(signing.new_secret(), webhook),
    )
    return sending._sent(webhook, messages.test_message(webhook))


def refusal(url: str) -> str:
    with pytest.raises(NotDelivered) as failed:
        send(url)
    return failed.value.result


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_sent_to(address):
    assert receivers.all_allowed([address])


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is_sent_to_however_it_is_spelt(address):
    assert not receivers.all_allowed([address])
    assert not receivers.all_allowed(["8.8.8.8", address])  # one of several is enough
    with pytest.raises(InvalidApiKey):
        receivers.clean_url(f"https://[{address}]/" if ":" in address else f"https://{address}/")


def test_a_setting_lets_networks_in_and_no_more(settings):
    settings.WEBHOOKS_ALLOWED_NETWORKS = "10.1.0.0/16 fd00::/8"

    assert receivers.all_allowed(["10.1.2.3", "fd00::1", "::ffff:10.1.2.3", "8.8.8.8"])
    assert not receivers.all_allowed(["10.2.0.1"])
    assert not receivers.all_allowed(["127.0.0.1"])


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "example.com",
            "//example.com/",
            "https://",
            "https:///hooks",
            "ftp://example.com/",
            "file:///etc/passwd",
        ),
        *(
            "https://example.com:0/",
            "https://example.com:99999/",
            "https://example.com/ hooks",
            "https://ex\\ample.com/",
        ),
        *(
            "https://user@example.com/",
            "https://user:pw@example.com/",
            "https://example.com/#part",
            "http://example.com/",
        ),
        *("https://exämple.com/", "https://example.com%00/", "https://example.com/\nHost: x", "gopher://example.com"),
        *("https://localhost/", "https://console.example.com/x", "https://CONSOLE.example.com./", "https://[::1]/"),
        "https://example.com/" + "x" * 2000,
    ],
)
def test_an_address_that_webhooks_do_not_have_is_refused_when_it_is_typed(settings, text):
    settings.PUBLIC_URL = "https://console.example.com"

    with pytest.raises(InvalidApiKey) as refused:
        receivers.clean_url(text)

    assert refused.value.field == "url"


def test_an_address_of_the_console_itself_is_refused_in_a_sentence(settings):
    settings.PUBLIC_URL = "https://console.example.com"

    with pytest.raises(InvalidApiKey, match=r"^This console does not send to itself\.$"):
        receivers.clean_url("https://console.example.com/hooks")


@pytest.mark.parametrize(
    ("text", "setting"), [("http://example.com/", "WEBHOOKS_HTTP"), ("https://10.0.0.1/", "WEBHOOKS_ALLOWED_NETWORKS")]
)
def test_what_a_setting_would_allow_is_refused_with_its_name(text, setting):
    with pytest.raises(InvalidApiKey, match=setting):
        receivers.clean_url(text)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/hooks?a=b", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("https://example.com:8443", "example.com:8443"),
        ("https://[2606:4700::1111]:9000/x", "[2606:4700::1111]:9000"),
    ],
)
def test_of_an_address_lists_show_the_host(url, host):
    assert receivers.clean_url(f" {url} ") == url
    assert receivers.host_of(url) == host


def test_a_receiver_on_this_machine_is_reached_only_where_a_setting_allows_it(receiver, settings, here):
    assert send(receiver.url) == "http_204"

    settings.WEBHOOKS_ALLOWED_NETWORKS = ""
    assert refusal(f"http://127.0.0.1:{receiver.port}/") == sending.REFUSED
    settings.WEBHOOKS_ALLOWED_NETWORKS, settings.WEBHOOKS_HTTP = "127.0.0.0/8 ::1", False
    assert refusal(receiver.url) == sending.REFUSED
    assert len(receiver.received) == 1


def test_the_console_itself_is_never_reached(receiver, settings, here):
    settings.PORT = receiver.port

    assert refusal(receiver.url) == sending.REFUSED
    assert refusal(f"http://127.0.0.2:{receiver.port}/") in (sending.REFUSED, sending.NO_CONNECTION)
    settings.PORT, settings.PUBLIC_URL = 8000, "http://console.example.com"
    assert refusal("http://console.example.com/") == sending.REFUSED
    assert receiver.received == []


@pytest.mark.parametrize(
    "addresses", [["10.0.0.7"], ["8.8.8.8", "127.0.0.1"], ["::ffff:169.254.169.254"], ["nonsense"]]
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(monkeypatch, addresses):
    monkeypatch.setattr(sockets, "addresses_of", lambda _name, _port: addresses)

    assert refusal("https://hooks.example.com/") == sending.REFUSED


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(receiver, here, monkeypatch):
    answers = iter([["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]])
    asked = []

    def rebinding(name: str, _port: int) -> list[str]:
        asked.append(name)
        return next(answers)

    monkeypatch.setattr(sockets, "addresses_of", rebinding)

    assert send(f"http://hooks.example.com:{receiver.port}/x") == "http_204"
    assert asked == ["hooks.example.com"]
    assert receiver.received[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_a_redirect_leads_nowhere(receiver, here):
    with Receiver() as inside:
        for status in (301, 302, 303, 307, 308):
            receiver.answer = (status, {"Location": f"http://127.0.0.1:{inside.port}/"})
            assert refusal(receiver.url) == f"http_{status}"

    assert (len(receiver.received), inside.received) == (5, [])


def test_no_proxy_and_no_password_of_the_environment_is_used(receiver, here, monkeypatch, tmp_path):
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        (tmp_path / ".netrc").write_text("machine localhost login somebody password hidden\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))

        assert send(receiver.url) == "http_204"

    assert proxy.received == []
    assert not {"authorization", "cookie"} & receiver.received[0].headers.keys()


def test_tls_is_verified_for_the_name_whatever_address_it_has(settings, tmp_path, monkeypatch):
    settings.WEBHOOKS_ALLOWED_NETWORKS = "127.0.0.0/8"
    authority, certificate = make_certificates(tmp_path)
    monkeypatch.setattr(sockets, "addresses_of", lambda _name, _port: ["127.0.0.1"])
    with Receiver(certificate) as receiver:
        assert refusal(receiver.url) == sending.NO_TLS

        settings.WEBHOOKS_CA_FILE = str(authority)
        assert send(receiver.url) == "http_204"
        assert refusal(receiver.url.replace("localhost", "hooks.example.com")) == sending.NO_TLS


def test_what_does_not_answer_is_left_in_time(here, monkeypatch):
    monkeypatch.setattr(sending, "DELIVERY_SECONDS", 0.3)
    with Silent() as silent:
        began = time.monotonic()

        assert refusal(f"{silent.url}/") == sending.TIMEOUT

    assert time.monotonic() - began < 3


def test_a_name_that_takes_for_ever_to_look_up_is_left_in_time(here, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(sending, "LOOKUP_SECONDS", 0.05)
    monkeypatch.setattr(sockets, "addresses_of", lambda _name, _port: [str(over.wait(20))])

    try:
        assert refusal("https://hooks.example.com/") == sending.NO_ADDRESS
    finally:
        over.set()


def test_nobody_there_and_no_http_are_told_apart(here):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}/") == sending.NO_CONNECTION

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=lambda: _answer(server, b"SSH-2.0-OpenSSH\r\n"), daemon=True)
        answering.start()
        assert refusal(f"http://127.0.0.1:{server.getsockname()[1]}/") == sending.BROKEN
        answering.join(5)


def test_an_answer_of_any_length_is_not_read_to_its_end(receiver, here):
    receiver.body = b"x" * (8 << 20)

    assert send(receiver.url) == "http_204"


def _answer(server: socket.socket, text: bytes) -> None:
    connected, _address = server.accept()
    with connected:
        connected.recv(65536)
        connected.sendall(text)
