"""What the generated requests of tests/clients/schemathesis keep to."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """A stream of events goes on for minutes unless it is told for how long. Texts that are no number stay as they are."""
    if case.operation.definition.raw.get("operationId") == "streamEvents":
        query = dict(case.query or {})
        asked = str(query.get("seconds", ""))
        if asked.strip() == "" or asked.strip().lstrip("+").isdigit():
            query["seconds"] = "0"
        case.query = query
