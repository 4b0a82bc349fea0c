"""The rendered project's settings, with handshakes that are much work."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "extra_storm"
