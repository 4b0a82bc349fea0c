"""The rendered project's settings for the tests of its page."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "extra_page"
MIDDLEWARE = ["extra_page.strict", *MIDDLEWARE]  # noqa: F405
