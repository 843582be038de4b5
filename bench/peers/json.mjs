// The server of the row json_10k on Node, Bun and Deno; the port is the argument.
import { createServer } from "node:http";
import process from "node:process";

const hello = () => JSON.stringify({ message: "Hello from Nexus!" });
const answer = ({ users }) => {
    let paid = 0;
    for (const user of users) paid += user.paid;
    return JSON.stringify({ count: users.length, paid });
};
const port = Number(process.argv[2]);
const hostname = "127.0.0.1";
const headers = { "content-type": "application/json" };
const respond = async (request) =>
    new Response(request.method === "POST" ? answer(await request.json()) : hello(), { headers });

if (globalThis.Bun) {
    Bun.serve({ port, hostname, fetch: respond });
} else if (globalThis.Deno) {
    Deno.serve({ port, hostname, onListen() {} }, respond);
} else {
    createServer((request, response) => {
        const send = (body) => {
            response.writeHead(200, { ...headers, "content-length": body.length });
            response.end(body);
        };
        if (request.method !== "POST") return send(hello());
        const pieces = [];
        request.on("data", (piece) => pieces.push(piece));
        request.on("end", () => send(answer(JSON.parse(Buffer.concat(pieces).toString()))));
    }).listen(port, hostname);
}
