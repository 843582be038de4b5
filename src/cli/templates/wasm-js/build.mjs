import { componentize } from "@bytecodealliance/componentize-js";
import { mkdir, readFile, writeFile } from "node:fs/promises";

const { component } = await componentize(await readFile("app.js", "utf8"), {
  witPath: "app.wit",
  worldName: "app",
  disableFeatures: ["http", "fetch-event"],
});
await mkdir("build", { recursive: true });
await writeFile("build/app.wasm", component);
