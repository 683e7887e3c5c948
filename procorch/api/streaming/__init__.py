"""exec, attach, port-forward and proxy: what a client speaks on a connection of its own, and the way to the node.

      kubectl, client libraries                         this master                              node (dials in)
    WebSocket v5, v4, base64 ─┐  websocket.py  ┐
    SPDY/3.1 ─────────────────┼─ spdy.py       ├─ Remote ◀─ command.py ─▶ Frames on one stream of the node's link
                              │                ┘                          /exec/…, /attach/…
    SPDY/3.1, or SPDY in      │
    a WebSocket (tunnel) ─────┴─ spdy.py ──────── forward.py ───────────▶ one such stream a connection, bare bytes
    WebSocket v4 ────────────── channels ─────┘                           /portForward/…

    HTTP of any server ──────── proxy.py, exchange.py ─────────────────▶ such a stream: /dial?address=…&port=…

`connect.py` and `targets.py` say who may ask for what of whom (they are asked like any other subresource); `upgrade.py`
and `raw.py` take the connection over.
"""

from procorch.api.streaming.connect import Connect, attach, exec_, portforward
from procorch.api.streaming.proxy import Proxied, proxy

__all__ = ["Connect", "Proxied", "attach", "exec_", "portforward", "proxy"]
