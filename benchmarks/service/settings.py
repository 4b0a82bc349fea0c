"""The rendered service's settings, with the routes of the measurements."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.service.routes"
