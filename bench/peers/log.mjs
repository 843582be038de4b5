// The row log_line on Node, Bun and Deno: what a line of JSON costs that is written to the standard output, a file.
// Bursts as micro/log.c; the result goes to the standard error.
import process from "node:process";

const BURSTS = 50;
const LINES = 1000;
const name = "Ada Lovelace";
const bursts = [];
for (let burst = 0; burst < BURSTS; burst++) {
    const start = performance.now();
    for (let i = 0; i < LINES; i++) {
        const line = { time: new Date().toISOString(), level: "info", msg: "user logged in", id: i, name, ms: 12.5 };
        process.stdout.write(JSON.stringify(line) + "\n");
    }
    bursts.push(((performance.now() - start) * 1e6) / LINES);
    await new Promise((resolve) => setTimeout(resolve, 1));
}
bursts.sort((a, b) => a - b);
console.error(JSON.stringify({ line: bursts[BURSTS / 2] }));
