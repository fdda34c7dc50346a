"""Says how many keys are stored under each pepper, and so which pepper can be removed."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandParser

from apikeys.identity import peppers


class Command(BaseCommand):
    help = "Count the keys under each pepper. A key moves to the newest when it is used; an empty one can be removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--keys", action="store_true", help="also list the keys under older peppers: id, owner, last use"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        configured = settings.APIKEYS_PEPPERS
        for number, keys in peppers.usage().items():
            if number == configured.newest:
                remark = "newest: keys are made under it, and move to it when they are used"
            elif number in configured.coming:
                remark = "to come: `rotate_pepper` makes it the newest once every console was restarted with it"
            elif number not in configured.by_number:
                remark = "missing: restore it, or these keys never work again"
            else:
                remark = "still needed" if keys else "not needed: remove it"
            count = f"{keys} key{'' if keys == 1 else 's'}"
            self.stdout.write(f"Pepper {number}: {count}, {remark}.")
        if options["keys"]:
            for record in peppers.keys_under_older():
                last = f"{record.last_used_at:%Y-%m-%d}" if record.last_used_at else "never used"
                self.stdout.write(f"{record.id}  {record.iam_id}  {last}")
