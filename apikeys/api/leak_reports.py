"""/v1/leaks: signed reports of values that were found in public."""

from django.views.decorators.debug import sensitive_variables

from apikeys.api.answers import JsonAnswer
from apikeys.api.decorators import resource
from apikeys.identity.callers import caller_for
from apikeys.identity.request import Request
from apikeys.services import leaks


@sensitive_variables("reports", "known")
def report_leaks(request: Request) -> JsonAnswer:
    """Act on each value, and say of each whether it was a key of this server.

    Raises Unauthenticated (401) for a signature that is missing or wrong, then BadRequest (400) for the body.
    """
    leaks.check_signature(
        request.body,
        request.headers.get("Github-Public-Key-Identifier", ""),
        request.headers.get("Github-Public-Key-Signature", ""),
    )
    reports = leaks.parse_reports(request.body)
    known = leaks.act_on_all(reports, caller_for(request, leaks.REPORTER))
    return JsonAnswer(
        [
            {
                "token_hash": leaks.token_hash(report.token),
                "token_type": report.type,
                "label": "true_positive" if report.token in known else "false_positive",
            }
            for report in reports
        ]
    )


collection = resource(POST=report_leaks)
