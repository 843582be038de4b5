// The server of the static rows on Node: node static.js PORT DIRECTORY
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const root = process.argv[3];
http.createServer((request, response) => {
    const name = path.join(root, path.normalize(request.url === "/" ? "/index.html" : request.url));
    fs.stat(name, (error, stat) => {
        if (error) return response.writeHead(404).end();
        response.writeHead(200, { "content-length": stat.size, "last-modified": stat.mtime.toUTCString() });
        fs.createReadStream(name).pipe(response);
    });
}).listen(Number(process.argv[2]), "127.0.0.1");
