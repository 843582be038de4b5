// The server of the TLS rows on Bun: bun tls.bun.js PORT CERT KEY FOLDER
const [port, cert, key, folder] = process.argv.slice(2);
const headers = { "content-type": "application/json" };

Bun.serve({
    port: Number(port),
    hostname: "127.0.0.1",
    tls: { cert: Bun.file(cert), key: Bun.file(key) },
    fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname.startsWith("/files/")) return new Response(Bun.file(folder + pathname.slice(6)));
        return new Response(JSON.stringify({ message: "Hello from Nexus!" }), { headers });
    },
});
