"""Who sends which kind of delivery."""

from datetime import timedelta
from typing import Protocol

from console.outbox.models import Delivery


class NotDelivered(Exception):
    """An attempt failed. `result` is a short code without anything that a recipient or a server said.

    `pause` is how long the recipient asks to be left alone; `is_final` says that another attempt can't help.
    """

    def __init__(self, result: str, *, pause: timedelta | None = None, is_final: bool = False) -> None:
        super().__init__(result)
        self.result, self.pause, self.is_final = result, pause, is_final


class Sender(Protocol):
    """Sends deliveries of one kind, from several threads at once."""

    @property
    def shares_lane(self) -> bool:
        """Whether all recipients are reached the same way, such as one mail server: then one is sent at a time."""

    def send(self, delivery: Delivery) -> str:
        """Send one message, in DELIVERY_SECONDS at most and outside of any transaction; return a short code.

        Raises NotDelivered.
        """


SENDERS: dict[str, Sender] = {}  # by kind; `register` of each folder that has one adds its own, as a process starts
