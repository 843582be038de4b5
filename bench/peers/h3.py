"""The server of the HTTP/3 rows on aioquic: PORT CERT KEY FOLDER. As its own example of a server does it."""
import asyncio
import json
import os
import sys

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated

port, cert, key, folder = sys.argv[1:]


class Http3(QuicConnectionProtocol):
    http = None

    def answer(self, stream, path):
        kind = b"application/json"
        if path.startswith("/files/"):
            kind = b"application/octet-stream"
            with open(os.path.join(folder, os.path.basename(path)), "rb") as file:
                body = file.read()
        else:
            body = json.dumps({"message": "Hello from Nexus!"}, separators=(",", ":")).encode()
        fields = [(b":status", b"200"), (b"content-type", kind), (b"content-length", str(len(body)).encode())]
        self.http.send_headers(stream, fields)
        self.http.send_data(stream, body, end_stream=True)

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if self.http is None:
            return
        for told in self.http.handle_event(event):
            if isinstance(told, HeadersReceived):
                self.answer(told.stream_id, dict(told.headers)[b":path"].decode())
        self.transmit()


async def main():
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, is_client=False)
    configuration.load_cert_chain(cert, key)
    await serve("127.0.0.1", int(port), configuration=configuration, create_protocol=Http3)
    await asyncio.Future()


asyncio.run(main())
