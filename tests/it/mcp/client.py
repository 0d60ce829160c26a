"""Two agents that talk to each other through `kite mcp`, with the official client of the Model Context Protocol.

Arguments: the program under test, the homes of alice and bob, and how the client begins: `auto` or `legacy`.
"""

import asyncio
import json
import sys
import warnings

from mcp import Client, MCPError, StdioServerParameters

KITE, ALICE, BOB, MODE = sys.argv[1:]

# The older way to subscribe is what older clients use.
warnings.simplefilter("ignore")


def server(home):
    env = {"HOME": home, "KITE_CONFIG_DIR": f"{home}/config", "KITE_DATA_DIR": f"{home}/data"}
    return StdioServerParameters(command=KITE, args=["mcp"], env=env)


async def call(client, tool, **arguments):
    """What a tool gives. The client itself holds it against the tool's output schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


async def refused(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result
    return result.content[0].text


async def bob_answers(bob):
    inbox = await call(bob, "inbox", wait_secs=30)
    assert inbox["agent"] == "bob", inbox
    [asked] = inbox["messages"]
    assert (asked["from"], asked["body"], asked["payload"]) == ("alice", "ready?", {"pr": 12})
    answer = await call(bob, "send_message", reply_to_id=asked["id"], body="yes")
    assert answer["to"] == "alice" and answer["thread_id"] == asked["thread_id"], answer
    return asked


async def the_first_talk():
    async with Client(server(ALICE), mode=MODE) as alice, Client(server(BOB), mode=MODE) as bob:
        tools = {tool.name: tool for tool in (await alice.list_tools()).tools}
        assert set(tools) == {
            "send_message", "wait_for_reply", "inbox", "ack", "list_events", "read_event", "list_agents",
        }, tools
        assert tools["inbox"].annotations.read_only_hint and not tools["ack"].annotations.read_only_hint
        assert not tools["send_message"].annotations.idempotent_hint

        answering = asyncio.create_task(bob_answers(bob))
        sent = await call(alice, "send_message", to="bob", body="ready?", payload={"pr": 12}, wait_secs=30)
        asked = await answering
        assert sent["id"] == asked["id"]
        assert (sent["reply"]["from"], sent["reply"]["body"]) == ("bob", "yes"), sent

        # A reply that came already is found, and the inbox has it too.
        found = await call(alice, "wait_for_reply", event_id=sent["id"], wait_secs=0)
        assert found["reply"] == sent["reply"], found
        assert (await call(alice, "inbox"))["messages"] == [sent["reply"]]
        # Only one's own messages can be waited for.
        assert "`bob`" in await refused(alice, "wait_for_reply", event_id=sent["reply"]["id"])

        # What nobody answers is said without an error, and how to go on.
        silent = await call(alice, "send_message", to="bob", body="and?", wait_secs=1)
        assert "reply" not in silent and "wait_for_reply" in silent["note"], silent
        waited = await call(alice, "wait_for_reply", event_id=silent["id"], wait_secs=1)
        assert "reply" not in waited and silent["id"] in waited["note"], waited

        agents = await call(alice, "list_agents")
        assert agents["you"] == "alice" and [a["id"] for a in agents["agents"]] == ["alice", "bob"], agents

        # Bob acknowledges the first message only.
        await call(bob, "ack", seq=asked["seq"])
        assert [m["body"] for m in (await call(bob, "inbox"))["messages"]] == ["and?"]

        events = await call(alice, "list_events", type="agent.message", limit=2)
        assert len(events["events"]) == 2 and events["last_seq"] == events["events"][0]["seq"], events
        whole = await call(alice, "read_event", event_id=sent["id"])
        assert whole["event"]["data"]["payload"] == {"pr": 12}, whole

        resources = (await alice.list_resources()).resources
        assert str(resources[0].uri) == "kite://inbox" and len(resources) == 4, resources
        [template] = (await alice.list_resource_templates()).resource_templates
        assert template.uri_template == "kite://events/{id}"
        contents = (await alice.read_resource(f"kite://events/{sent['id']}")).contents
        assert json.loads(contents[0].text)["id"] == sent["id"], contents
        contents = (await alice.read_resource("kite://inbox")).contents
        assert json.loads(contents[0].text)["messages"][0]["body"] == "yes", contents
        try:
            await alice.read_resource("kite://events/none")
            raise AssertionError("there is no such event")
        except MCPError as error:
            assert "`none`" in str(error), error

        assert "`list_events`" in await refused(alice, "read_event", event_id="none")
        assert "`inbox`" in await refused(alice, "ack", seq=99)
        # The number of a message to somebody else.
        assert "`inbox`" in await refused(alice, "ack", seq=asked["seq"])


async def after_a_restart():
    updates = asyncio.Queue()

    async def hear(message):
        if type(message).__name__ == "ResourceUpdatedNotification":
            await updates.put(str(message.params.uri))

    async with Client(server(ALICE), mode=MODE) as alice, Client(server(BOB), mode=MODE, message_handler=hear) as bob:
        # What was acknowledged does not come again; what was not, does.
        [waiting] = (await call(bob, "inbox"))["messages"]
        assert waiting["body"] == "and?", waiting
        [reply] = (await call(alice, "inbox"))["messages"]
        done = await call(alice, "ack", seq=reply["seq"])
        assert done["acknowledged_through"] >= reply["seq"], done
        # Again: it changes nothing.
        await call(alice, "ack", seq=reply["seq"])
        assert (await call(alice, "inbox"))["messages"] == []

        if MODE == "auto":
            async with bob.listen(resource_subscriptions=["kite://inbox"]) as subscription:
                update = asyncio.create_task(anext(aiter(subscription)))
                await told(alice, update)
                assert (await update).uri == "kite://inbox"
        else:
            await bob.subscribe_resource("kite://inbox")
            update = asyncio.create_task(updates.get())
            await told(alice, update)
            assert await update == "kite://inbox"
        assert (await call(bob, "inbox"))["messages"][-1]["body"] == "news"


async def told(alice, update):
    """Sends until the subscription stands and tells of it."""
    for _ in range(30):
        await call(alice, "send_message", to="bob", body="news")
        done, _ = await asyncio.wait([update], timeout=1)
        if done:
            return
    raise AssertionError("nothing was told")


asyncio.run(the_first_talk())
asyncio.run(after_a_restart())
print("done")
