// The rows timer_error on Node, Bun and Deno, with setTimeout; arguments and output as micro/timer.c.
import process from "node:process";

const [ms, count, lanes] = process.argv.slice(2).map(Number);
const sleep = (span) => new Promise((resolve) => setTimeout(resolve, span));
const errors = [];

async function lane() {
    while (errors.length < count) {
        const start = performance.now();
        await sleep(ms);
        const missed = performance.now() - start - ms;
        if (errors.length < count) errors.push(Math.abs(missed) * 1000);
    }
}

const running = [];
for (let i = 0; i < lanes; i++) {
    running.push(lane());
    await sleep(ms / lanes);
}
await Promise.all(running);
errors.sort((a, b) => a - b);
console.log(JSON.stringify({ p99: errors[Math.ceil(count * 0.99) - 1], max: errors[count - 1] }));
