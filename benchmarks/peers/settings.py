"""The rendered service's settings, with one of the peers as its own documents add it.

PEER names its Django app, LAYER what carries its broadcasts: memory, or one of Redis at REDIS_URL.
"""

import os

from config.settings import *  # noqa: F403

INSTALLED_APPS = [os.environ["PEER"], *INSTALLED_APPS]  # noqa: F405
LAYER = os.environ.get("LAYER", "memory")
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    if LAYER == "memory"
    else {
        "BACKEND": f"channels_redis.{LAYER}",
        "CONFIG": {"hosts": [REDIS_URL]},  # noqa: F405
    }
}
DJANGO_SOCKET = {"LAYER": LAYER, "REDIS_URL": REDIS_URL or ""}  # noqa: F405
