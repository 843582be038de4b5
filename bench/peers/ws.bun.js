// The server of the WebSocket rows on Bun: bun ws.bun.js PORT
Bun.serve({
    port: Number(process.argv[2]),
    hostname: "127.0.0.1",
    fetch: (req, server) => (server.upgrade(req, { data: { listens: req.url.endsWith("/publish") } }) ? undefined : new Response("hello")),
    websocket: {
        open: (ws) => { if (ws.data.listens) ws.subscribe("all"); },
        message: (ws, message) => { if (ws.data.listens) ws.publish("all", message), ws.send(message); else ws.send(message); },
        maxPayloadLength: 1 << 24,
        perMessageDeflate: false,
    },
});
