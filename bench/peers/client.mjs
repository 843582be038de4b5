// The row client_h1 on Node (undici.request, its fastest), Bun and Deno (fetch); arguments and output as micro/client.c.
import process from "node:process";

const [url, count] = [process.argv[2], Number(process.argv[3])];
const wanted = '{"message":"Hello from Nexus!"}';
let ask = async () => (await fetch(url)).text();
if (process.argv[4]) {
    const { Agent, request, setGlobalDispatcher } = (await import(process.argv[4])).default;
    setGlobalDispatcher(new Agent({ connections: 64 }));
    ask = async () => (await request(url)).body.text();
}

async function all(total) {
    let left = total;
    const many = async () => {
        while (left-- > 0) if (await ask() !== wanted) throw new Error("a wrong answer");
    };
    await Promise.all(Array.from({ length: 64 }, many));
}

await all(2000);
const start = performance.now();
await all(count);
console.log(JSON.stringify({ rate: Math.round(count * 1000 / (performance.now() - start)) }));
process.exit(0);
