// The rows of cryptography on Node, Bun and Deno: crypto MODE MB, as micro/crypto.c. None of them has BLAKE3.
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import process from "node:process";

const [mode, megabytes] = process.argv.slice(2);
const PIECE = 1 << 20;
const CHUNK = 1 << 16;
const piece = Buffer.alloc(PIECE);
const start = performance.now();
if (mode === "sha256") {
    const hash = createHash("sha256");
    for (let i = 0; i < +megabytes; i++) hash.update(piece);
    hash.digest();
} else {
    const name = mode === "aes" ? "aes-256-gcm" : "chacha20-poly1305";
    const key = randomBytes(32);
    const nonce = Buffer.alloc(12);
    for (let i = 0; i < (+megabytes * PIECE) / CHUNK; i++) {
        nonce.writeUInt32BE(i);
        const cipher = createCipheriv(name, key, nonce, { authTagLength: 16 });
        cipher.update(piece.subarray(0, CHUNK));
        cipher.final();
        cipher.getAuthTag();
    }
}
console.log(JSON.stringify({ rate: (+megabytes * PIECE) / 1e6 / ((performance.now() - start) / 1000) }));
