"""A real mail server takes mails over TLS, refuses them, or is gone; and the addresses that a setting may name."""

import socket
import ssl
from contextlib import contextmanager
from datetime import timedelta

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult, LoginPassword
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.utils import timezone

from console.mails import bundles, sending
from console.mails.kinds import MailKind
from console.mails.models import MailRefusal
from console.mails.server import FILES, NONE, mailer, sender
from console.models import User
from console.outbox import dispatcher, queue
from console.outbox.models import Delivery, State
from console.outbox.senders import SENDERS
from tests.server import free_port

PASSWORD = "the mail server's own"


class Postbox(Message):
    """What a mail server took; `refused` is what it answers for recipients it has no box for."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list = []
        self.was_encrypted: list[bool] = []
        self.refused = ""

    def handle_message(self, message) -> None:
        self.messages.append(message)

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802  (as servers call it)
        self.was_encrypted.append(session.ssl is not None)
        if self.refused and address.startswith("gone"):
            return self.refused
        envelope.rcpt_tos.append(address)
        return "250 OK"


@contextmanager
def mail_server(**options):
    """Run a mail server on this machine; yield its postbox and its port."""
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield box, controller.port
    finally:
        controller.stop()


@pytest.fixture
def mails_through(settings):
    """Have mails sent through the server at this URL."""

    def through(url: str) -> None:
        settings.MAILER = mailer(url)
        settings.MAILS_ARE_SENT = True
        if hasattr(settings, "MAILERS"):
            settings.MAILERS = {"default": settings.MAILER}
        else:
            settings.EMAIL_BACKEND = "console.mails.server.backend"
        settings.DEFAULT_FROM_EMAIL = "API keys <apikeys@example.com>"

    return through


@pytest.fixture
def authority(monkeypatch, tmp_path):
    found = trustme.CA()
    found.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return found


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def put_in(person, kind: MailKind = MailKind.SECURITY) -> Delivery:
    delivery = bundles.delivery_of(person.iam_id, kind, [], 1)
    queue.enqueue([delivery])
    return delivery


def run_lane() -> dispatcher.Dispatcher:
    """Send what is due, as a process of the console does."""
    lanes = dispatcher.Dispatcher()
    while deliveries := lanes.claim():
        lanes.send(dispatcher.lane_of(deliveries[0]), deliveries)
        lanes.busy.clear()
    return lanes


@pytest.fixture
def post(monkeypatch):
    monkeypatch.setitem(SENDERS, "mail", sending.MailSender())


def accepts(_server, _session, _envelope, _mechanism, data: LoginPassword) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"console", PASSWORD.encode()))


def test_a_mail_arrives_by_starttls_with_a_log_in(alice, mails_through, authority, post):
    with mail_server(tls_context=server_context(authority), authenticator=accepts, require_starttls=True) as (
        box,
        port,
    ):
        mails_through(f"smtp://console:the%20mail%20server's%20own@localhost:{port}")
        delivery = put_in(alice)
        run_lane()

    [message] = box.messages
    assert box.was_encrypted == [True]
    assert (message["To"], message["From"]) == ("alice@example.com", "API keys <apikeys@example.com>")
    assert message["Message-ID"] == f"<{delivery.message_id}@localhost>"
    assert Delivery.objects.get().state == State.DELIVERED


def test_a_server_whose_certificate_nobody_trusts_gets_neither_password_nor_mail(alice, mails_through, post):
    with mail_server(tls_context=server_context(trustme.CA()), authenticator=accepts) as (box, port):
        mails_through(f"smtp://console:secret@localhost:{port}")
        put_in(alice)
        run_lane()

    assert (box.messages, box.was_encrypted) == ([], [])
    kept = Delivery.objects.get()
    assert (kept.state, kept.attempts, kept.result) == (State.WAITING, 1, "SSLCertVerificationError")


def test_a_server_that_is_gone_keeps_mails_waiting_and_the_log_says_so_once(alice, bob, mails_through, post, caplog):
    mails_through(f"smtp+plain://127.0.0.1:{free_port()}")
    for _mail in range(3):
        put_in(alice)
    for _attempt in range(2):
        run_lane()
        Delivery.objects.update(next_attempt_at=timezone.now(), leased_until=None)

    assert set(Delivery.objects.values_list("state", flat=True)) == {State.WAITING}
    assert [record.message for record in caplog.records if record.name == "console.mails.sending"] == [
        "The mail server does not take mails: ConnectionRefusedError. They are kept, and tried again."
    ]


def test_a_silent_server_is_left_after_seconds(alice, mails_through, post, monkeypatch):
    monkeypatch.setattr("console.mails.server.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mails_through(f"smtp+plain://127.0.0.1:{silent.getsockname()[1]}")
        put_in(alice)
        run_lane()

    assert Delivery.objects.get().result == "SMTPServerDisconnected"


def test_an_address_that_is_refused_for_good_is_given_up_told_and_holds_up_nobody(
    alice, bob, mails_through, post, caplog
):
    User.objects.filter(pk=alice.pk).update(email="gone@example.com")
    User.objects.filter(pk=bob.pk).update(email="bob@example.com")
    with mail_server() as (box, port):
        box.refused = "550 no such box for gone@example.com"
        mails_through(f"smtp+plain://127.0.0.1:{port}")
        put_in(alice)
        put_in(bob)
        lanes = run_lane()

    assert [message["To"] for message in box.messages] == ["bob@example.com"]
    assert not lanes.resting
    given_up = Delivery.objects.get(recipient=alice.iam_id)
    assert (given_up.state, given_up.result) == (State.GIVEN_UP, "refused_550")
    refusal = MailRefusal.objects.get()
    assert (refusal.person, refusal.code) == (alice.iam_id, 550)
    [line] = [record.message for record in caplog.records if record.name == "console.mails.sending"]
    assert alice.iam_id in line
    assert "gone@" not in line


def test_a_mail_that_arrives_forgets_that_one_was_refused(alice, mails_through, post):
    MailRefusal.objects.create(person=alice.iam_id, address=alice.email, code=550)
    with mail_server() as (_box, port):
        mails_through(f"smtp+plain://127.0.0.1:{port}")
        put_in(alice)
        run_lane()

    assert not MailRefusal.objects.exists()


def test_who_is_put_off_by_a_server_is_asked_again(alice, mails_through, post):
    User.objects.filter(pk=alice.pk).update(email="gone@example.com")
    with mail_server() as (box, port):
        box.refused = "451 try again later"
        mails_through(f"smtp+plain://127.0.0.1:{port}")
        put_in(alice)
        run_lane()

    kept = Delivery.objects.get()
    assert (kept.state, kept.result) == (State.WAITING, "smtp_451")
    assert kept.next_attempt_at > timezone.now() + timedelta(seconds=1)


def test_djangos_command_tries_the_settings(mails_through, tmp_path):
    mails_through(f"file://{tmp_path}")
    call_command("sendtestemail", "alice@example.com")

    [file] = tmp_path.iterdir()
    assert "To: alice@example.com" in file.read_text()


def test_without_a_server_a_mail_is_refused_with_a_sentence(mails_through):
    mails_through("")

    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL is not set"):
        EmailMessage("subject", "body", None, ["alice@example.com"]).send()


# The settings


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("smtp://mail.example.com", {"host": "mail.example.com", "port": 587, "use_tls": True}),
        ("smtps://u:p%40%2F@mail.example.com", {"port": 465, "use_ssl": True, "username": "u", "password": "p@/"}),
        ("smtp+plain://[::1]:2525", {"host": "::1", "port": 2525}),
    ],
)
def test_a_url_is_a_mailer(url, options):
    found = mailer(url)["OPTIONS"]

    assert options.items() <= found.items()
    assert found["timeout"] == 5


def test_a_folder_and_nothing_at_all_are_mailers_too():
    assert mailer("file:///var/mails%201") == {"BACKEND": FILES, "OPTIONS": {"file_path": "/var/mails 1"}}
    assert mailer("") == {"BACKEND": NONE}


@pytest.mark.parametrize(
    "url",
    [
        *(
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://host:0",
            "smtp://host:99999",
            "smtp://host/x",
        ),
        *(
            "smtp://user@host",
            "smtp://:secret@host",
            "smtp://host?tls=no",
            "file://host/folder",
            "smtp+plain://mail.example",
        ),
    ],
)
def test_any_other_url_is_refused_without_being_repeated(url):
    with pytest.raises(ImproperlyConfigured) as caught:
        mailer(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["apikeys@example.com", "API keys <apikeys@example.com>"])
def test_an_address_with_or_without_a_name_is_a_sender(text):
    assert sender(text, "smtp://host", "console.example.com") == text


@pytest.mark.parametrize(
    "text", ["nobody", "a@b.example, c@d.example", "x\n<a@b.example>", "a@b.example\r\nBcc: c@d.example"]
)
def test_what_is_no_address_is_refused_as_a_sender(text):
    with pytest.raises(ImproperlyConfigured):
        sender(text, "smtp://host", "console.example.com")
