"""What the published package says: orders come as one JSON array on stdin, answers go out as one JSON array.

An order is an object with `do`, the name of a function below, and its arguments. An answer is `{"returned": …, "type":
…}`, or `{"raised": CLASS, "message": …, "status": …}`.
"""

import asyncio
import inspect
import json
import math
import random
import sys
from dataclasses import is_dataclass

from openintent.client import AsyncOpenIntentClient, OpenIntentClient
from openintent.federation import models, security


def call(client, url, key, method, arguments):
    """A method of a client, the sync or the async one."""
    if client == "sync":
        with OpenIntentClient(base_url=url, agent_id="driver", api_key=key) as sync:
            return getattr(sync, method)(**arguments)
    return asyncio.run(call_async(url, key, method, arguments))


async def call_async(url, key, method, arguments):
    async with AsyncOpenIntentClient(base_url=url, agent_id="driver", api_key=key) as client:
        return await getattr(client, method)(**arguments)


def verify(public_key, text):
    """Whether the signature in an object's text is by a key."""
    value = json.loads(text)
    return security.verify_envelope_signature(public_key, value, value["signature"])


def sign(seed, text):
    """An object's text with a signature in it."""
    value = json.loads(text)
    value["signature"] = security.sign_envelope(identity("https://signer.example.com", seed), value)
    return json.dumps(value)


def canonical(text):
    """What a signature covers."""
    return security._canonical_bytes(json.loads(text)).decode()


def model(name, text):
    """An object's text read as a model and written again."""
    return getattr(models, name).from_dict(json.loads(text)).to_dict()


def did(url):
    """The DID of a server."""
    return security.ServerIdentity(url).did


def resolve(did):
    """Where a DID's document is."""
    return security.resolve_did_web(did)


def ssrf(url):
    """Whether a URL may be called."""
    return security.validate_ssrf(url)


def ucan_decode(token):
    """What a token says."""
    return security.UCANToken.decode(token).to_dict()


def ucan_encode(url, seed, audience, scope):
    """A root token by a server."""
    issuer = identity(url, seed)
    scope = models.DelegationScope.from_dict(scope)
    return security.UCANToken(issuer.did, audience, scope).encode(issuer)


def ucan_attenuate(token, url, seed, next_url, next_seed, audience, scope):
    """A child of a token that one server issued to the next, whose keys are both at hand."""
    parent = security.UCANToken.decode(token)
    scope = models.DelegationScope.from_dict(scope)
    child = parent.attenuate(audience, scope, identity(url, seed))
    return child.encode(identity(next_url, next_seed))


def identity(url, seed):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = bytes.fromhex(seed)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return security.ServerIdentity(url, private_key_bytes=seed, public_key_bytes=public)


def names():
    """Every public name of the federation and of workflows: what is exported, and what each of that has."""
    import openintent.federation as federation
    from openintent import workflow
    from openintent.server.federation import FederationState, configure_federation, create_federation_router

    clients = [it for client in (OpenIntentClient, AsyncOpenIntentClient) for it in vars(client) if "federat" in it]
    faults = [it for it in vars(workflow) if getattr(vars(workflow)[it], "__module__", "") == workflow.__name__]
    faults = [it for it in faults if it.endswith("Error")]
    read = ["WorkflowSpec", "PhaseConfig", "GovernanceConfig", "validate_workflow", "list_sample_workflows"]
    parts = {it: getattr(federation, it) for it in federation.__all__}
    parts.update({it: getattr(OpenIntentClient, it) for it in clients})
    parts.update({it.__name__: it for it in (FederationState, configure_federation, create_federation_router)})
    parts.update({it: getattr(workflow, it) for it in faults + read})
    found = set(parts)
    for part in parts.values():
        if isinstance(part, type):
            found.update(it for it in vars(part) if not it.startswith("_"))
            found.update(getattr(part, "__dataclass_fields__", ()))
        else:
            found.update(inspect.signature(part).parameters)
    return sorted(found - {"self", "func"})


def objects(seed, count):
    """Objects of all kinds, as texts in every spelling, each with what a signature covers."""
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        value = {text(dice): something(dice, 4) for _ in range(dice.randrange(6))}
        value.update({"signature": text(dice)} if dice.random() < 0.3 else {})
        spelling = json.dumps(
            value,
            ensure_ascii=dice.random() < 0.5,
            indent=dice.choice([None, 1]),
            sort_keys=dice.random() < 0.2,
        )
        made.append({"text": spelling, "canonical": canonical(spelling)})
    return made


def something(dice, depth):
    kind = dice.randrange(9 if depth else 7)
    if kind == 0:
        return dice.choice([None, True, False])
    if kind == 1:
        return dice.randrange(-(10 ** dice.randrange(1, 40)), 10 ** dice.randrange(1, 40))
    if kind in (2, 3):
        return number(dice)
    if kind == 7:
        return [something(dice, depth - 1) for _ in range(dice.randrange(5))]
    if kind == 8:
        return {text(dice): something(dice, depth - 1) for _ in range(dice.randrange(5))}
    return text(dice)


def number(dice):
    """A double, often one where notations change or digits are hard to find."""
    made = dice.choice(
        [
            lambda: dice.uniform(-1000, 1000),
            lambda: dice.random() * 10.0 ** dice.randrange(-320, 308),
            lambda: float(dice.randrange(10**18)),
            lambda: dice.randrange(10**17) / 4 + 0.25,
            lambda: float(f"{dice.randrange(1, 10)}e{dice.randrange(-8, 20)}"),
            lambda: dice.choice([0.0, -0.0, 5e-324, 1.7976931348623157e308, 1e16, 1e-4, 1e-5]),
        ]
    )()
    return made if math.isfinite(made) else 0.5


def text(dice):
    ranges = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0x7F, 0x300), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
    length = dice.randrange(8)
    return "".join(chr(dice.randrange(*dice.choice(ranges))) for _ in range(length))


def obey(order):
    do = globals()[order.pop("do")]
    try:
        returned = do(**order)
    except Exception as error:
        status = getattr(error, "status_code", None)
        return {"raised": type(error).__name__, "message": str(error), "status": status}
    kind = type(returned).__name__
    plain = returned.to_dict() if is_dataclass(returned) else returned
    return {"returned": plain, "type": kind}


json.dump([obey(order) for order in json.load(sys.stdin)], sys.stdout)
