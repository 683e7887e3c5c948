"""exec, attach and port-forward: what a client speaks on a connection that it has upgraded, and the way to the node.

      kubectl, client libraries                         this master                              node (dials in)
    WebSocket v5, v4, base64 ─┐  websocket.py  ┐
    SPDY/3.1 ─────────────────┼─ spdy.py       ├─ Remote ◀─ command.py ─▶ Frames on one stream of the node's link
                              │                ┘                          /exec/…, /attach/…
    SPDY/3.1, or SPDY in      │
    a WebSocket (tunnel) ─────┴─ spdy.py ──────── forward.py ───────────▶ one such stream a connection, bare bytes
    WebSocket v4 ────────────── channels ─────┘                           /portForward/…

`connect.py` says who may ask for what of which pod (and is asked like any other subresource); `upgrade.py` takes the
connection over.
"""

from procorch.api.streaming.connect import Connect, attach, exec_, portforward

__all__ = ["Connect", "attach", "exec_", "portforward"]
