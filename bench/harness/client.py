"""The HTTP client."""
import json

from . import peers, proc
from .peers import Server, WORK
from .proc import Failed
from .row import Group, Row, at_least, every


def _client(name, wanted, quick):
    """The server has the first core, as ever, and the client what the load generator else has."""
    count = 10_000 if quick else 100_000
    with Server("floor") as server:
        url = f"http://127.0.0.1:{server.port}/"
        script = str(peers.BENCH / "peers" / "client.mjs")
        if name == "nexus":
            command = [peers.program(name), "run", "--release", f"--allow-net=127.0.0.1:{server.port}",
                       str(peers.BENCH / "micro" / "client.c"), "--", url, str(count)]
        elif name == "go":
            built = WORK / "client-go"
            proc.output([peers.program(name), "build", "-o", str(built), str(peers.BENCH / "peers" / "client.go")], 300,
                        env=dict(peers.environment(), GOCACHE=str(WORK / "go"), GOFLAGS="-mod=mod"), cwd=WORK)
            command = [str(built), url, str(count)]
        elif name == "node":
            undici = peers.MODULES / "undici" / "index.js"
            if not undici.exists():
                raise Failed("undici is not installed; install it with: bench/setup")
            command = [peers.program(name), script, url, str(count), str(undici)]
        else:
            command = [peers.program(name), *(["run", "--allow-net"] if name == "deno" else []), script, url, str(count)]
        text = proc.output(command, 120, proc.cores()[1], env=peers.environment(), cwd=WORK)
    return {"client_h1": json.loads(text)["rate"]}


GROUPS = [
    Group([Row("client_h1", "requests of the HTTP client, 64 at a time (node: undici.request; bun and deno: fetch; go: net/http)",
               "requests/s", "higher", "above all", lambda v: every(*(at_least(v, peer, 1) for peer in ("node", "bun", "deno", "go"))))],
          ["nexus", "node", "bun", "deno", "go"], _client, not_for="it is no client"),
]
