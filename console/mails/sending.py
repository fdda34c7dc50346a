"""Sending: a delivery of the outbox becomes a mail, for whoever is there now, in their language and time zone."""

import json
import logging
import smtplib
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone, translation

from apikeys import zones
from apikeys.models import ApiKeyRecord, AuditEvent
from console.mails import moved, words
from console.mails.bundles import KIND, Line
from console.mails.kinds import MailKind, is_wanted
from console.mails.models import MailRefusal
from console.models import User
from console.outbox.models import Delivery
from console.outbox.senders import SENDERS, NotDelivered

SENT, NOT_WANTED, NOTHING_LEFT = "sent", "not_wanted", "nothing_left"
FOR_GOOD = 500  # codes from here on

logger = logging.getLogger(__name__)


class MailSender:
    """Sends mails, through the one mail server that the settings name."""

    shares_lane = True

    def __init__(self) -> None:
        self.fault = ""

    def send(self, delivery: Delivery) -> str:
        """Send one mail. Raises NotDelivered, for good where the server refuses the address."""
        person = User.objects.filter(iam_id=delivery.recipient).first()
        if person is None or not (delivery.topic == moved.TOPIC or is_wanted(person, MailKind(delivery.topic))):
            return NOT_WANTED
        message = message_of(delivery, person)
        if message is None:
            return NOTHING_LEFT
        try:
            message.send()
        except smtplib.SMTPRecipientsRefused as exc:
            raise self._refused(person, message.to[0], max(code for code, _text in exc.recipients.values())) from None
        except smtplib.SMTPDataError as exc:
            raise self._refused(person, message.to[0], exc.smtp_code) from None
        except smtplib.SMTPResponseException as exc:
            raise self._failed(f"smtp_{exc.smtp_code}") from None
        except OSError as exc:  # those of smtplib and ssl are such
            raise self._failed(type(exc).__name__) from None
        except (ValueError, UnicodeError):  # no server takes an address that no header can have
            raise self._refused(person, message.to[0], FOR_GOOD) from None
        self._works(person)
        return SENT

    def _refused(self, person: User, address: str, code: int) -> NotDelivered:
        if code < FOR_GOOD:
            return self._failed(f"smtp_{code}")
        now = timezone.now()
        fields = {"address": address, "code": code, "at": now}
        MailRefusal.objects.update_or_create(person=person.iam_id, defaults=fields)
        logger.warning("A mail to user %s was given up: the mail server refused it with %d.", person.iam_id, code)
        return NotDelivered(f"refused_{code}", is_final=True)

    def _failed(self, fault: str) -> NotDelivered:
        if not self.fault:
            logger.error("The mail server does not take mails: %s. They are kept, and tried again.", fault)
        self.fault = fault
        return NotDelivered(fault[:64])

    def _works(self, person: User) -> None:
        if self.fault:
            logger.warning("The mail server takes mails again.")
        self.fault = ""
        MailRefusal.objects.filter(person=person.iam_id).delete()


def story_of(kind: MailKind, lines: list[Line], count: int) -> words.Story | None:
    """Return what a mail tells; None where it is not so any more, as of keys that were deleted or last longer now."""
    if kind is MailKind.EXPIRING:
        keys = _keys_of(lines)
        gone = len(lines) - len(keys)
        return words.Story(kind, count - gone, keys=keys) if count > gone else None
    places = [line["place"] for line in lines]
    events = list(AuditEvent.objects.filter(place__in=places).order_by("place"))
    return words.Story(kind, count, events=events)


def _keys_of(lines: list[Line]) -> list[words.Expiring]:
    """Return the keys that still expire when they were to."""
    records = ApiKeyRecord.objects.in_bulk([line["key"] for line in lines])
    found = {line["key"]: datetime.fromisoformat(line["expires_at"]) for line in lines}
    return [
        words.Expiring(key_id, record.name, at)
        for key_id, at in found.items()
        if (record := records.get(key_id)) and record.expires_at == at and not record.disabled
    ]


def message_of(delivery: Delivery, person: User) -> EmailMessage | None:
    """Return the mail of a delivery, None where nothing is left to tell. However often it is sent, it has one id."""
    language = person.language if person.language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(zones.named(person.time_zone)):
        if delivery.topic == moved.TOPIC:
            return _message(words.of_former_address(), delivery.payload, delivery.message_id)
        payload = json.loads(delivery.payload)
        story = story_of(MailKind(delivery.topic), payload["lines"], payload["count"])
        return None if story is None else _message(words.compose(story), person.email, delivery.message_id)


def _message(mail: words.Mail, address: str, message_id: str) -> EmailMessage:
    host = urlsplit(settings.PUBLIC_URL).hostname
    headers = {"Message-ID": f"<{message_id}@{host}>", "Auto-Submitted": "auto-generated"}
    return EmailMessage(mail.subject, mail.body, None, [address], headers=headers)


def register() -> None:
    """Have the outbox send mails, where there is a mail server."""
    if settings.MAILS_ARE_SENT:
        SENDERS[KIND] = MailSender()
