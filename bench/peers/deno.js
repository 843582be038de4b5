// The server of the HTTP rows on Deno: deno run --allow-net deno.js PORT
const headers = { "content-type": "application/json" };

Deno.serve(
    { port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen() {} },
    () => new Response(JSON.stringify({ message: "Hello from Nexus!" }), { headers }),
);
