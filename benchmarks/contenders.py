"""What is measured: the rendered service, and what a user would pick instead."""

from dataclasses import dataclass, field

PACKAGES = ("starlette", "channels", "channels_redis", "django-socket", "picows", "uvloop")


@dataclass(frozen=True)
class Contender:
    """An ASGI application, as the servers are told it, and its environment variables."""

    name: str
    application: str
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module of the application."""
        return self.application.split(":")[0]


def peer(name: str, app: str, layer: str = "memory") -> Contender:
    """The rendered project with another Django app, whose broadcasts go through the layer."""
    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.peers.settings", "PEER": app, "LAYER": layer}
    return Contender(name, f"benchmarks.peers.{app}:application", settings)


BARE = Contender("bare ASGI", "benchmarks.bare:application")
ARTICLE = Contender("the article", "benchmarks.peers.article:application")
STARLETTE = Contender("Starlette", "benchmarks.peers.starlette:application")
CHANNELS = peer("Channels", "channels")
CHANNELS_REDIS = peer("channels_redis", "channels", "core.RedisChannelLayer")
CHANNELS_PUBSUB = peer("channels_redis pub/sub", "channels", "pubsub.RedisPubSubChannelLayer")
DJANGO_SOCKET = peer("django-socket", "django_socket")
DJANGO_SOCKET_REDIS = peer("django-socket", "django_socket", "redis")
SERVICE = Contender(
    "this service",
    "config.asgi:application",
    {"DJANGO_SETTINGS_MODULE": "benchmarks.service.settings"},
)

ALL = (BARE, ARTICLE, STARLETTE, CHANNELS, DJANGO_SOCKET, SERVICE)
WITH_USERS = (CHANNELS, DJANGO_SOCKET, SERVICE)
