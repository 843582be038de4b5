// The server of the WebSocket rows on Node with the package ws: node ws.mjs PORT PACKAGE
import { createServer } from "node:http";
import process from "node:process";
import { pathToFileURL } from "node:url";

const { WebSocketServer } = await import(pathToFileURL(process.argv[3]).href);
const server = createServer((_, res) => res.end("hello"));
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
const listeners = new Set();
sockets.on("connection", (ws, req) => {
    ws.on("error", () => {});
    if (req.url === "/publish") {
        listeners.add(ws);
        ws.on("close", () => listeners.delete(ws));
        ws.on("message", (data) => { for (const one of listeners) one.send(data, { binary: false }); });
    } else {
        ws.on("message", (data, binary) => ws.send(data, { binary }));
    }
});
server.listen(Number(process.argv[2]), "127.0.0.1");
