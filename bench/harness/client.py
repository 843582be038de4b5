"""The HTTP client."""
import json

from . import http3, peers, proc, tls
from .peers import Server, WORK
from .proc import Failed
from .row import Group, Row, at_least, every


def _command(name, server, url, count, ca, h3):
    """How a peer's client is started; with `ca`, the authority's certificate, it goes by HTTP/2, and with `h3` by that."""
    more = [str(ca), *(["h3"] if h3 else [])] if ca else []
    script = [str(peers.BENCH / "peers" / "client.mjs"), url, str(count)]
    if name == "nexus":
        grants = [f"--allow-net={'localhost' if ca else '127.0.0.1'}:{server.port}", *([f"--allow-read={ca}"] if ca else [])]
        return [peers.program(name), "run", "--release", *grants, str(peers.BENCH / "micro" / "client.c"), "--", url, str(count), *more]
    if name == "quic-go":
        return [http3.built("h3_client"), url, str(count), *more]
    if name == "go":
        built = WORK / "client-go"
        proc.output([peers.program(name), "build", "-o", str(built), str(peers.BENCH / "peers" / "client.go")], 300,
                    env=dict(peers.environment(), GOCACHE=str(WORK / "go"), GOFLAGS="-mod=mod"), cwd=WORK)
        return [str(built), url, str(count), *more]
    if name == "node":
        undici = peers.MODULES / "undici" / "index.js"
        if not undici.exists():
            raise Failed("undici is not installed; install it with: bench/setup")
        return [peers.program(name), *script, str(undici), *more]
    grants = ["run", "--allow-net", *(["--allow-read"] if ca else [])] if name == "deno" else []
    return [peers.program(name), *grants, *script, "", *more]


def _rate(name, server, url, count, ca=None, h3=False):
    """The server has the first core, as ever, and the client what the load generator else has."""
    command = _command(name, server, url, count, ca, h3)
    return json.loads(proc.output(command, 120, proc.cores()[1], env=peers.environment(), cwd=WORK))["rate"]


def _client(name, wanted, quick):
    values = {}
    if "client_h1" in wanted:
        with Server("floor") as server:
            values["client_h1"] = _rate(name, server, f"http://127.0.0.1:{server.port}/", 10_000 if quick else 100_000)
    if "client_h2" in wanted:
        folder = tls.folder()
        with Server("nexus", lambda port: peers.tls_command("nexus", port, folder), tls=True) as server:
            url = f"https://localhost:{server.port}/"
            values["client_h2"] = _rate(name, server, url, 10_000, WORK / "nexus" / "authority.crt")
    if "client_h3" in wanted:
        folder = tls.folder()
        with http3.Http3Server("nexus", http3.command("nexus", folder)) as server:
            url = f"https://localhost:{server.port}/"
            values["client_h3"] = _rate(name, server, url, 10_000, WORK / "nexus" / "authority.crt", h3=True)
    return values


def _first(values):
    """Ahead of all that are there."""
    others = [value for peer, value in values.items() if peer != "nexus"]
    return values["nexus"] > max(others) if others else None


GROUPS = [
    Group([Row("client_h1", "requests of the HTTP client, 64 at a time (node: undici.request; bun and deno: fetch; go: net/http)",
               "requests/s", "higher", "above all", lambda v: every(*(at_least(v, peer, 1) for peer in ("node", "bun", "deno", "go"))))],
          ["nexus", "node", "bun", "deno", "go"], _client, not_for="it is no client"),
    Group([Row("client_h2", "10,000 requests by HTTP/2 over TLS, 64 at a time on a connection (node: undici.request)", "requests/s", "higher",
               "above all", _first)],
          ["nexus", "node", "bun", "deno", "go"], _client, not_for="it is no client"),
    Group([Row("client_h3", "10,000 requests by HTTP/3, 64 at a time on a connection (quic-go: http3.Transport)", "requests/s", "higher",
               "above all", _first)],
          ["nexus", "quic-go"], _client, not_for="it has no client of HTTP/3"),
]
