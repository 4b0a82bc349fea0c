"""What hypercorn takes from a file or its command only: here it comes from the environment."""

import logging
import os

errorlog = logging.getLogger("hypercorn.error")  # goes where config/logging.json says
workers = int(os.environ.get("WEB_CONCURRENCY", 1))
graceful_timeout = float(os.environ.get("HYPERCORN_GRACEFUL_TIMEOUT", 3))
