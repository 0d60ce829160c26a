"""A reference server: the published package's own app, as it ships.

usage: reference.py SETTINGS, a JSON object. Prints where it listens, as one line of JSON, once it does.

    dir       a directory for its database and its key
    host      an address of its own, so that nobody shares its port; it picks the port
    api_keys  who may call it
    policy    `open`, `allowlist` or `trustless`
    peers     whom it trusts
    agents    what it lists: objects with `id`, `visibility`, `capabilities`
    recorded  whether what is posted to it is kept as it came, for GET /recorded; POST /callback then takes anything
"""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import uvicorn
from openintent.federation.models import AgentVisibility, TrustPolicy
from openintent.federation.security import ServerIdentity
from openintent.server.app import create_app
from openintent.server.config import ServerConfig
from openintent.server.federation import configure_federation, get_federation_state


class Recorder:
    """Keeps what is posted, and lets the server see it unchanged."""

    def __init__(self, app):
        self.app = app
        self.posts = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["path"] == "/recorded":
            return await answer(send, self.posts)
        if scope["path"] == "/dispatches":
            return await answer(send, get_federation_state().dispatches)
        if scope["method"] != "POST":
            return await self.app(scope, receive, send)
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        post = {
            "path": scope["path"],
            "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
            "body": body.decode(),
        }
        self.posts.append(post)
        if scope["path"] == "/callback":
            return await answer(send, {})
        pending = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            return pending.pop() if pending else await receive()

        return await self.app(scope, replay, send)


async def answer(send, value):
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


class Announcing(uvicorn.Server):
    """Says where it listens."""

    def __init__(self, config, announcement):
        super().__init__(config)
        self.announcement = announcement

    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(json.dumps(self.announcement), flush=True)


def end_with_parent():
    """Whoever started this may be killed, which nothing else tells."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def main():
    end_with_parent()
    settings = json.loads(sys.argv[1])
    directory = Path(settings["dir"])
    listener = socket.create_server((settings["host"], 0), backlog=2048)
    host, port = listener.getsockname()
    url = f"http://{host}:{port}"

    config = ServerConfig(
        host=host,
        port=port,
        database_url=f"sqlite:///{directory / 'openintent.db'}",
        api_keys=set(settings["api_keys"]),
    )
    key_file = directory / "server.key"
    key_file.write_bytes(os.urandom(32))
    state = configure_federation(
        url,
        trust_policy=TrustPolicy(settings["policy"]),
        peers=settings["peers"],
        identity=ServerIdentity.from_key_file(url, str(key_file)),
    )
    for agent in settings["agents"]:
        visibility = AgentVisibility(agent["visibility"])
        state.register_agent(agent["id"], agent["capabilities"], visibility)

    app = create_app(config)
    if settings["recorded"]:
        app = Recorder(app)
    announcement = {
        "url": url,
        "did": state.identity.did,
        "public_key": state.identity.public_key_b64,
    }
    # What `OpenIntentServer.run` gives it, and a socket that is bound already.
    server = Announcing(uvicorn.Config(app, log_level=config.log_level), announcement)
    server.run([listener])


main()
