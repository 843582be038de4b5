// Makes a component of JavaScript: node componentize.mjs SOURCE WIT WORLD OUT. It lies where its package does, since node looks there.
import { componentize } from "@bytecodealliance/componentize-js";
import { readFile, writeFile } from "node:fs/promises";

const [source, witPath, worldName, out] = process.argv.slice(2);
// A component asks for what its features need, and for what its world imports.
const disableFeatures = worldName === "service" ? ["fetch-event"] : ["http", "fetch-event"];
const { component } = await componentize(await readFile(source, "utf8"), { witPath, worldName, disableFeatures });
await writeFile(out, component);
