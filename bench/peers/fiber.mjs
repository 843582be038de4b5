// The nearest that Node, Bun and Deno have to the fiber rows: two async functions that take turns, and an async
// function that is called and awaited. Output as micro/fiber.c.
const SWITCHES = 2000000;
const SPAWNS = 1000000;

async function yielder() {
    for (let i = 0; i < SWITCHES; i++) await null;
}
async function nothing() {}

await yielder(); // let the compiler see it
let start = performance.now();
await Promise.all([yielder(), yielder()]);
const switching = ((performance.now() - start) * 1e6) / (2 * SWITCHES);
start = performance.now();
for (let i = 0; i < SPAWNS; i++) await nothing();
const spawning = ((performance.now() - start) * 1e6) / SPAWNS;
console.log(JSON.stringify({ switch: switching, spawn_join: spawning }));
