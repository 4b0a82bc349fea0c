"""Sentry as its documentation sets it up, which prints what it would send."""

import json
import sys

import sentry_sdk
from sentry_sdk.transport import Transport


class Printed(Transport):
    """Prints the user and the route of each event."""

    def capture_envelope(self, envelope):
        event = envelope.get_event() or {}
        if "exception" in event:
            told = {
                "user": (event.get("user") or {}).get("id"),
                "route": event.get("transaction"),
                "error": event["exception"]["values"][-1]["value"],
            }
            print("SENTRY", json.dumps(told), file=sys.stderr, flush=True)


sentry_sdk.init(
    dsn="https://key@sentry.invalid/1", transport=Printed, send_default_pii=True, debug=False
)
