// The server of the TLS rows on Node: node tls.js PORT CERT KEY FOLDER
const https = require("node:https");
const fs = require("node:fs");
const path = require("node:path");
const [port, cert, key, folder] = process.argv.slice(2);

https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, (request, response) => {
    if (request.url.startsWith("/files/")) {
        const file = path.join(folder, path.normalize(request.url.slice(6)));
        response.writeHead(200, { "content-type": "application/octet-stream", "content-length": fs.statSync(file).size });
        fs.createReadStream(file).pipe(response);
        return;
    }
    const body = JSON.stringify({ message: "Hello from Nexus!" });
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
}).listen(Number(port), "127.0.0.1");
