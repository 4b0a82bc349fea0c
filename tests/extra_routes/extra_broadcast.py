"""Routes that publish in all the ways there are, and that work with the database."""

import asyncio
import os
import sys
import threading
import time

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.http import HttpResponse, JsonResponse
from django.urls import path
from realtime.broadcast import PublishError, publish, publish_on_commit, subscribe
from realtime.channels import per_loop
from realtime.closing import close
from realtime.connections import opened
from realtime.database import database_thread
from realtime.handshake import websocket
from realtime.limits import limited
from realtime.messages import dumps
from realtime.presence import changes, members, present
from users.models import User

CHANNEL = "room.probe"
if settings.REDIS_URL:
    from realtime.backends import presence

    presence.LEASE = int(os.environ.get("LEASE", presence.LEASE))


@websocket
async def blast(request, receive, send, room, number):
    """Publish numbered messages of 4 KB as fast as `publish` returns, then tell the time."""
    await receive()
    await send({"type": "websocket.accept"})
    begin = time.perf_counter()
    for i in range(number):
        await publish(f"room.{room}", f"{i:04}" * 1024)
    await send({"type": "websocket.send", "text": f"{time.perf_counter() - begin}"})


@websocket
async def flow(request, receive, send):
    """Publish a number every 10 ms until the client leaves; tell of each whether it was."""

    async def pour():
        for i in range(100_000):
            try:
                await publish(CHANNEL, str(i))
                said = "published"
            except PublishError:
                said = "raised"
            await send({"type": "websocket.send", "text": f"{i} {said}"})
            await sync_to_async(time.sleep, thread_sensitive=False)(0.01)

    await receive()
    await send({"type": "websocket.accept"})
    pouring = asyncio.create_task(pour())
    try:
        await receive()
    finally:
        pouring.cancel()


@websocket
async def echo(request, receive, send):
    """Publish what the client says, of either kind."""
    await receive()
    async with subscribe("room.echo", send):
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await publish("room.echo", event.get("text") or event.get("bytes") or b"")


@websocket
async def late(request, receive, send):
    """Subscribe, take a quarter of a second as for a query, then accept."""
    await receive()
    async with subscribe(CHANNEL, send):
        await publish(CHANNEL, "subscribed")
        await asyncio.sleep(0.25)
        await send({"type": "websocket.accept"})
        await receive()


@websocket
async def talk(request, receive, send, number):
    """Publish so many numbers, one every 5 ms."""
    await receive()
    await send({"type": "websocket.accept"})
    for i in range(number):
        await publish(CHANNEL, str(i))
        await asyncio.sleep(0.005)


@websocket
async def enter(request, receive, send, name):
    """Be in the lobby."""
    await receive()
    async with present("lobby", name):
        await send({"type": "websocket.accept"})
        await receive()


@websocket
async def watch(request, receive, send):
    """Tell who is in the lobby, and who comes and leaves."""

    async def first():
        return [dumps(await members("lobby"))]

    await receive()
    async with subscribe(changes("lobby"), send, first=first):
        await send({"type": "websocket.accept"})
        await receive()


@websocket
async def limited_echo(request, receive, send):
    """Answer a hundred messages a second of a client, two hundred at once."""
    receive = limited(receive, 100, burst=200)
    await receive()
    await send({"type": "websocket.accept"})
    while text := (await receive()).get("text"):
        await send({"type": "websocket.send", "text": text})


@websocket
async def sleep(request, receive, send):
    """Answer each message after a query that takes 20 ms, in a thread and connection of its own."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        async with database_thread():
            await sync_to_async(query)()
        await send({"type": "websocket.send", "text": "done"})


@websocket
async def quiet(request, receive, send):
    """Wait for a client that says nothing."""
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    print("left", request.path, file=sys.stderr, flush=True)


@websocket
async def deaf(request, receive, send):
    """Receive nothing after the accept."""
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


def query():
    """Let PostgreSQL wait for 20 ms."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.02)")


def by_view(text):
    """Publish at once."""
    publish_on_commit(CHANNEL, text)


def by_signal(text):
    """Publish when a row is saved."""
    Group.objects.create(name=text)


def by_command(text):
    """Publish by a management command of this process."""
    call_command(
        "shell",
        "--no-imports",
        command=f"""
from realtime.broadcast import publish_on_commit
publish_on_commit({CHANNEL!r}, {text!r})""",
    )


def by_thread(text):
    """Publish in a thread."""
    thread = threading.Thread(target=publish_on_commit, args=(CHANNEL, text))
    thread.start()
    thread.join()


def by_transaction(text):
    """Publish in a transaction, before another one that is rolled back."""
    with transaction.atomic():
        publish_on_commit(CHANNEL, text)
    try:
        with transaction.atomic():
            publish_on_commit(CHANNEL, "rolled back")
            raise ValueError
    except ValueError:
        pass


WAYS = {
    "view": by_view,
    "signal": by_signal,
    "command": by_command,
    "thread": by_thread,
    "transaction": by_transaction,
}


def speak(request, way, text):
    """Publish in this way."""
    WAYS[way](text)
    return HttpResponse()


def leave(request):
    """Log out."""
    logout(request)
    return HttpResponse()


def change(request, name, what):
    """Change a user in a way that ends all sessions."""
    user = User.objects.get(username=name)
    if what == "password":
        user.set_password("another")
    else:
        user.is_active = False
    user.save()
    return HttpResponse()


def kick(request, name):
    """Close a user's connections."""
    close(4000, "kicked", user_id=User.objects.get(username=name).pk)
    return HttpResponse()


def saved(instance, created, **kwargs):
    """Tell that a row was saved."""
    publish_on_commit(CHANNEL, instance.name)


def backends(request):
    """Tell how many connections to PostgreSQL this service has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = current_setting('application_name')"
        )
        return JsonResponse(cursor.fetchone()[0], safe=False)


async def state(request):
    """Tell what there is of each thing that connections may leave behind."""
    return JsonResponse(
        {
            "connections": len(opened),
            "channels": sorted(per_loop[asyncio.get_running_loop()].known),
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "database threads": sum(t.name.startswith("database") for t in threading.enumerate()),
        }
    )


post_save.connect(saved, sender=Group)
urlpatterns = [
    path("blast/<slug:room>/<int:number>/", blast),
    path("flow/", flow),
    path("echo/", echo),
    path("late/", late),
    path("talk/<int:number>/", talk),
    path("enter/<slug:name>/", enter),
    path("watch/", watch),
    path("limited/", limited_echo),
    path("sleep/", sleep),
    path("quiet/", quiet),
    path("deaf/", deaf),
    path("speak/<slug:way>/<slug:text>/", speak),
    path("leave/now/", leave),
    path("change/<slug:name>/<slug:what>/", change),
    path("kick/<slug:name>/", kick),
    path("backends/", backends),
    path("state/", state),
]
