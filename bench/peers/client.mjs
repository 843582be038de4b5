// The rows client_h1 and client_h2 on Node (undici.request, its fastest), Bun and Deno (fetch); arguments and output as
// micro/client.c, with the path of undici, or "", before CA.
import process from "node:process";
import fs from "node:fs";

const [url, count, undici, ca] = [process.argv[2], Number(process.argv[3]), process.argv[4], process.argv[5]];
const wanted = '{"message":"Hello from Nexus!"}';
let get = async (url) => (await fetch(url)).text();
if (undici) {
    const { Agent, request, setGlobalDispatcher } = (await import(undici)).default;
    const http2 = { allowH2: true, connections: 1, pipelining: 64, connect: { ca: ca && fs.readFileSync(ca, "utf8") } };
    setGlobalDispatcher(new Agent(ca ? http2 : { connections: 64 }));
    get = async (url) => (await request(url)).body.text();
} else if (ca && globalThis.Deno) {
    const client = Deno.createHttpClient({ caCerts: [fs.readFileSync(ca, "utf8")] });
    get = async (url) => (await fetch(url, { client })).text();
} else if (ca) {
    get = async (url) => (await fetch(url, { tls: { ca: Bun.file(ca) }, protocol: "http2" })).text();
}
if (ca && await get(url + "protocol") !== "h2") {
    console.error("its fetch does not speak HTTP/2");
    process.exit(1);
}

async function all(total) {
    let left = total;
    const many = async () => {
        while (left-- > 0) if (await get(url) !== wanted) throw new Error("a wrong answer");
    };
    await Promise.all(Array.from({ length: 64 }, many));
}

await all(2000);
const start = performance.now();
await all(count);
console.log(JSON.stringify({ rate: Math.round(count * 1000 / (performance.now() - start)) }));
process.exit(0);
