// HTTP/2 with prior knowledge on Node.
import http2 from 'node:http2';
const body = '{"message":"Hello from Nexus!"}';
const server = http2.createServer();
server.on('stream', stream => {
    stream.respond({':status': 200, 'content-type': 'application/json', 'content-length': body.length});
    stream.end(body);
});
server.listen(Number(process.argv[2]), '127.0.0.1');
