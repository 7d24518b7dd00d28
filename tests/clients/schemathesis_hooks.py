"""What the generated requests of tests/clients/schemathesis keep to."""

import os

import schemathesis

# Without credentials requests get some that were generated, and a wrong password is answered after more than a second.
NOBODY = "HARBOR_NOBODY" in os.environ


@schemathesis.hook
def before_call(context, case, kwargs):
    """Nobody has no credentials. A stream of events goes on for minutes unless it is told for how long: texts that are no number
    stay as they are."""
    if NOBODY and case.headers:
        case.headers = {name: value for name, value in case.headers.items() if name.lower() != "authorization"}
    if case.operation.definition.raw.get("operationId") == "streamEvents":
        query = dict(case.query or {})
        asked = str(query.get("seconds", ""))
        if asked.strip() == "" or asked.strip().lstrip("+").isdigit():
            query["seconds"] = "0"
        case.query = query
