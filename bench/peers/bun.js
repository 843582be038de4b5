// The server of the HTTP rows on Bun: bun bun.js PORT
const headers = { "content-type": "application/json" };

Bun.serve({
    port: Number(process.argv[2]),
    hostname: "127.0.0.1",
    fetch: () => new Response(JSON.stringify({ message: "Hello from Nexus!" }), { headers }),
});
