// The rows wasm_… on Node, Bun and Deno; argument and output as micro/wasm.c. The module is micro/wasm.wat.
import process from "node:process";

const scale = Number(process.argv[2] ?? 1);
const bytes = Uint8Array.from(
    ("0061736d010000000" + "10e0360000060027f7f017f60017f00" + "020b0103656e76036e6f700000" + "0303020102" + "0503010001" +
        "071703066d656d6f72790200036164640001046d616e790002" + "0a1a02070020002001" + "6a0b1000034010002000410" + "16b22000d000b0b")
        .match(/../g).map((byte) => parseInt(byte, 16)));
const module = new WebAssembly.Module(bytes);
const imports = { env: { nop() {} } };
const { add, many } = new WebAssembly.Instance(module, imports).exports;
const now = () => performance.now() * 1e6;
const count = 10000000 * scale, guests = 20000 * scale;

let sum = 0;
for (let i = 0; i < count / 10; i++) sum = add(sum, 1);
sum = 0;
let start = now();
for (let i = 0; i < count; i++) sum = add(sum, 1);
const call = (now() - start) / count;
if (sum !== count) throw new Error("the guest can't add");

start = now();
many(count);
const host = (now() - start) / count;

start = now();
for (let i = 0; i < guests; i++) new WebAssembly.Instance(module, imports);
const instantiate = (now() - start) / guests / 1000;
// Entering a guest costs them the same each time.
console.log(JSON.stringify({ call, batch: call, host, instantiate }));
