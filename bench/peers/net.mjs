// The rows net_… on Node, Bun and Deno; argument and output as micro/net.c. Where there is no node:dgram, no "udp".
import net from "node:net";
import process from "node:process";

const scale = Number(process.argv[2]);
const server = net.createServer((peer) => {
    peer.setNoDelay(true);
    peer.on("error", () => {});
    peer.pipe(peer);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const port = server.address().port;

const connect = () => new Promise((resolve, reject) => {
    const conn = net.connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(conn));
    conn.on("error", reject);
});

async function roundTrips(count) {
    const conn = await connect();
    const message = Buffer.alloc(64);
    const start = performance.now();
    await new Promise((resolve) => {
        let left = count, got = 0;
        conn.on("data", (data) => {
            got += data.length;
            if (got < message.length) return;
            got = 0;
            if (--left) conn.write(message);
            else resolve();
        });
        conn.write(message);
    });
    const us = (performance.now() - start) * 1000 / count;
    conn.destroy();
    return us;
}

async function connections(count) {
    const start = performance.now();
    for (let i = 0; i < count; i++) (await connect()).destroy();
    return count * 1000 / (performance.now() - start);
}

async function datagrams(count) {
    const batch = 32;
    const { default: dgram } = await import("node:dgram");
    const to = dgram.createSocket({ type: "udp4", recvBufferSize: 1 << 20 }), from = dgram.createSocket("udp4");
    await new Promise((resolve) => to.bind(0, "127.0.0.1", resolve));
    await new Promise((resolve) => from.connect(to.address().port, "127.0.0.1", resolve));
    const message = Buffer.alloc(1200);
    let got = 0, next;
    to.on("message", () => {
        if (++got % batch === 0) next();
    });
    const start = performance.now();
    for (let done = 0; done < count; done += batch) {
        const all = new Promise((resolve) => { next = resolve; });
        for (let i = 0; i < batch; i++) from.send(message);
        await all;
    }
    const rate = got * 1000 / (performance.now() - start);
    to.close();
    from.close();
    return rate;
}

const result = { echo: await roundTrips(2000 * scale), connect: await connections(500 * scale) };
const late = new Promise((resolve) => setTimeout(resolve, 60000).unref?.());
try {
    result.udp = await Promise.race([datagrams(20000 * scale), late]);
} catch {
    // it has none
}
console.log(JSON.stringify(result));
process.exit(0);
