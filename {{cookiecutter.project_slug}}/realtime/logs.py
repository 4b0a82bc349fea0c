"""Lines of the log: whose loop writes them, and one for each record."""

import logging
import re
import time
from contextvars import ContextVar
from typing import Any

handshake: ContextVar[Any] = ContextVar("handshake")  # the request of the connection
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Whose(logging.Filter):
    """Adds the path of the connection whose loop writes the record, and the user's primary key.

    It takes away what uvicorn adds: the same message, for a terminal with colours.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        vars(record).pop("color_message", None)
        if request := handshake.get(None):
            own = {"path": request.path, "user": request.user_id}
            vars(record).update(own | vars(record))
        return True


class Line(logging.Formatter):
    """A record on one line, whatever a client has put into it; a traceback comes below. In UTC."""

    converter: Any = time.gmtime
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line, said = super().formatMessage(record), vars(record)
        if "path" in said and "user" in said:
            line += f" [{said['path']} user={said['user']}]"
        return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), line)
