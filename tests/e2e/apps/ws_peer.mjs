// A WebSocket client for ws_test.py: under Bun with its own, under Node with the package ws (PEER is where it is).
import { pathToFileURL } from "node:url";

const [url, deflate] = process.argv.slice(2);
const Socket = globalThis.Bun ? WebSocket : (await import(pathToFileURL(process.env.PEER).href)).default;
const ws = globalThis.Bun ? new Socket(url, { protocols: ["one"] }) : new Socket(url, ["one"], { perMessageDeflate: deflate === "deflate" });
ws.binaryType = "arraybuffer";
const sent = ["", "text", "hé 🙂 ".repeat(3000), new Uint8Array(0), new Uint8Array(70000).fill(7), "x".repeat(1000000)];
let at = 0;
const same = (a, b) => typeof a === "string" ? a === b : b instanceof ArrayBuffer && Buffer.compare(Buffer.from(b), Buffer.from(a)) === 0;
ws.onopen = () => ws.send(sent[0]);
ws.onmessage = ({ data }) => {
  if (!same(sent[at], data)) throw new Error(`message ${at} is not the same`);
  if (++at < sent.length) ws.send(sent[at]);
  else ws.close(3001, "enough");
};
ws.onclose = ({ code, wasClean }) => {
  console.log(`${at} of ${sent.length}, ${code}, ${wasClean}, [${ws.protocol}], [${ws.extensions}]`);
  process.exit(at === sent.length ? 0 : 1);
};
