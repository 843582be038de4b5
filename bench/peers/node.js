// The server of the HTTP rows on Node: node node.js PORT
const http = require("node:http");

http.createServer((request, response) => {
    const body = JSON.stringify({ message: "Hello from Nexus!" });
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
}).listen(Number(process.argv[2]), "127.0.0.1");
