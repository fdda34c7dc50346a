"""Says whether audit events were changed, removed or inserted since they were written."""

import re
import sys
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from apikeys.audit import chain

END = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


class Command(BaseCommand):
    help = "Verify the chain of audit events. Exits with 1 where something was changed, removed or inserted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--expect",
            metavar="PLACE:DIGEST",
            help="the end of the chain as an earlier run told it: shows whether events were cut off since",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        expected = END.fullmatch(options["expect"] or "")
        if options["expect"] and not expected:
            raise CommandError("--expect: use PLACE:DIGEST, as this command told it.")
        report = chain.verify((int(expected[1]), expected[2]) if expected else None)
        for fault in report.faults:
            self.stderr.write(fault)
        if report.more_faults:
            self.stderr.write(f"… and {report.more_faults} more")
        told = [f"{report.sealed} events are in the chain"]
        if report.removed:
            told.append(f"{report.removed} before them were removed when their time was over")
        if report.uncoded:
            told.append(f"{report.uncoded} were written by a release before the chain")
        if report.waiting:
            told.append(f"{report.waiting} wait for their place")
        self.stdout.write("; ".join(told) + ".")
        self.stdout.write(f"End of the chain: {report.place}:{report.digest}")
        if report.faults:
            sys.exit(1)
        self.stdout.write("Nothing was changed, removed or inserted.")
