// The rows of files on Node, Bun and Deno: files MODE PATH [MB or PATH], as micro/files.c. Small files 32 at a time, which is their fastest.
import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, open, readFile, readdir, stat } from "node:fs/promises";
import process from "node:process";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

const [mode, path, megabytes] = process.argv.slice(2);
const PIECE = 1 << 20;
const piece = Buffer.alloc(PIECE);
const start = performance.now();
let done = 0;
if (mode === "read") {
    const file = await open(path);
    for (let got; (got = (await file.read(piece, 0, PIECE)).bytesRead) > 0; ) done += got / 1e6;
    await file.close();
} else if (mode === "write") {
    const file = await open(path, "w");
    for (let i = 0; i < +megabytes; i++) done += (await file.write(piece)).bytesWritten / 1e6;
    await file.sync();
    await file.close();
} else if (mode === "pipe") {
    const upper = new Transform({
        transform(chunk, encoding, done_) {
            done += chunk.length / 1e6;
            for (let i = 0; i < chunk.length; i++) if (chunk[i] >= 97 && chunk[i] <= 122) chunk[i] -= 32;
            done_(null, chunk);
        },
    });
    await pipeline(createReadStream(path, { highWaterMark: PIECE }), upper, createWriteStream(megabytes));
} else if (mode === "copy") {
    await copyFile(path, megabytes);
    done = (await stat(megabytes)).size / 1e6;
} else if (mode === "small") {
    let next = 0;
    const lane = async () => {
        while (next < 10000) {
            const i = next++;
            done += (await readFile(`${path}/${Math.floor(i / 100)}/${i % 100}`)).length === 2048;
        }
    };
    await Promise.all(Array.from({ length: 32 }, lane));
} else {
    done = (await readdir(path, { recursive: true, withFileTypes: true })).length;
}
console.log(JSON.stringify({ rate: done / ((performance.now() - start) / 1000) }));
