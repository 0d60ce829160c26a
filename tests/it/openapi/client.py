"""Does with a generated client what a program would do first; what came of it goes to stdout as JSON."""

import json
import sys

from generated import AuthenticatedClient
from generated.api.agents import register_agent, send_message
from generated.api.events import list_events
from generated.api.keys import create_key, list_keys, revoke_key
from generated.models import AgentUpdate, KeysCreate, MessageRequest, Permission

url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key)

agent = register_agent.sync("al", client=client, body=AgentUpdate(name="Al"))
message = MessageRequest(from_="bo", to="al", body="hello")
sent = send_message.sync(client=client, body=message)
page = list_events.sync(client=client, after_seq=0, scope=["agent_to:al"])
made = create_key.sync(client=client, body=KeysCreate(name="reader", permissions=[Permission.READ]))
revoked = revoke_key.sync(made.id, client=client)
refused = list_keys.sync_detailed(client=AuthenticatedClient(base_url=url, token=made.api_key))

assert page.events[0].event.id == sent.id
told = {
    "agent": agent.id,
    "to": sent.to,
    "types": [listed.event.type_ for listed in page.events],
    "bodies": [listed.event.data["body"] for listed in page.events],
    "revoked": revoked.revoked,
    "refused": int(refused.status_code),
}
json.dump(told, sys.stdout)
