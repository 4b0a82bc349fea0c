"""The rendered project's settings, with a route that tells what the service sees."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "extra_proxy"
