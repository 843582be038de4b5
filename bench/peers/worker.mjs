// The rows of workers for Node, Bun and Deno: worker_threads started and ended, a number there and back by postMessage, and
// an ArrayBuffer of 1 MiB that is transferred; for Node and Bun also processes of child_process.fork, with a string of 64
// characters. Output as micro/worker.c.
import { fork } from "node:child_process";
import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { once } from "node:events";

const STARTS = 30;
const TRIPS = 5000;

async function measureStart() {
    const start = performance.now();
    for (let i = 0; i < STARTS; i++) {
        const worker = new Worker(new URL(import.meta.url));
        const online = once(worker, "message");
        worker.postMessage(0);
        await online;
        await worker.terminate();
    }
    return ((performance.now() - start) * 1e3) / STARTS;
}

async function measureTrip(first, transfer) {
    const worker = new Worker(new URL(import.meta.url));
    let value = first;
    let start = 0;
    for (let i = -TRIPS / 10; i < TRIPS; i++) {
        if (i === 0) start = performance.now();
        const back = new Promise((resolve) => worker.once("message", resolve));
        worker.postMessage(value, transfer ? [value] : []);
        value = await back;
    }
    const took = ((performance.now() - start) * 1e3) / TRIPS;
    await worker.terminate();
    return took;
}

async function measureProcessStart() {
    const start = performance.now();
    for (let i = 0; i < STARTS; i++) {
        const child = fork(new URL(import.meta.url).pathname);
        const online = once(child, "message");
        const ended = once(child, "exit");
        child.send("");
        await online;
        child.disconnect();
        await ended;
    }
    return ((performance.now() - start) * 1e3) / STARTS;
}

async function measureProcessTrip() {
    const child = fork(new URL(import.meta.url).pathname);
    const ended = once(child, "exit");
    const text = "x".repeat(64);
    let start = 0;
    for (let i = -TRIPS / 10; i < TRIPS; i++) {
        if (i === 0) start = performance.now();
        const back = new Promise((resolve) => child.once("message", resolve));
        child.send(text);
        await back;
    }
    const took = ((performance.now() - start) * 1e3) / TRIPS;
    child.disconnect();
    await ended;
    return took;
}

if (process.send) {
    process.on("message", (value) => process.send(value));
    process.on("disconnect", () => process.exit(0));
} else if (isMainThread) {
    const start = await measureStart();
    const round_trip = await measureTrip(1, false);
    const parcel = await measureTrip(new ArrayBuffer(1 << 20), true);
    const forks = typeof Deno === "undefined";
    const process_start = forks ? await measureProcessStart() : undefined;
    const process_round_trip = forks ? await measureProcessTrip() : undefined;
    console.log(JSON.stringify({ start, round_trip, parcel, process_start, process_round_trip }));
} else {
    parentPort.on("message", (value) => parentPort.postMessage(value, value instanceof ArrayBuffer ? [value] : []));
}
