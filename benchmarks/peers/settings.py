"""The rendered service's settings, with the Django app that the variable PEER names."""

import os

from config.settings import *  # noqa: F403

INSTALLED_APPS = [os.environ["PEER"], *INSTALLED_APPS]  # noqa: F405
