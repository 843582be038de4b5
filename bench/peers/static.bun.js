// The server of the static rows on Bun: bun static.bun.js PORT DIRECTORY
const root = process.argv[3];
Bun.serve({
    port: Number(process.argv[2]),
    hostname: "127.0.0.1",
    fetch: (request) => {
        const { pathname } = new URL(request.url);
        return new Response(Bun.file(root + (pathname === "/" ? "/index.html" : pathname)));
    },
});
