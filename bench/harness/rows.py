"""The rows, family by family, in the order in which they are measured and printed."""
from . import client, files, http1, http2, http3, runtime, start, static, tls, wasm, websocket

GROUPS = [group for family in (http1, start, websocket, tls, http2, http3, static, files, runtime, wasm, client) for group in family.GROUPS]
ROWS = [row for group in GROUPS for row in group.rows]
