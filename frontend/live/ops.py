"""What a browser is told to do: short lists, each with ready-made HTML where it has any.

["add", parent, id, html]    a message behind `parent`, if that is the last one shown
["swap", id, html]           the element `id` looks like this now
["block", message, html]     a block of a reply is complete; the open one starts anew
["tail", message, html]      the open block looks like this now
["body", message, html, tail]  all of a reply that is being written
["text", message, text]      more text of the open code
["drop", id]                 the element `id` is gone
["here", html]               who is here
["typing", user, name]       somebody is typing
["title", text]              the conversation's title
["said", id, word]           announce: `complete`, `incomplete`, `refused`, `failed`
["state", message, writing]  whether a reply is being written
["reload"]                   too much happened: load the conversation again
["gone"]                     the conversation is not there any more
"""

import msgspec

Op = list[object]


def as_event(conversation_id: str, position: str, ops: list[Op]) -> bytes:
    """A server-sent event. Its id is where the browser goes on."""
    event = {"c": conversation_id, "at": position, "ops": ops}
    # Rendered templates are a kind of text that the encoder does not know.
    data = msgspec.json.encode(event, enc_hook=lambda safe: "".join([safe]))
    return b"id: %b~%b\ndata: %b\n\n" % (conversation_id.encode(), position.encode(), data)
