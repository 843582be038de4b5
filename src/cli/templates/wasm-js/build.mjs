import { componentize } from "@bytecodealliance/componentize-js";
import { mkdir, readFile, writeFile } from "node:fs/promises";

/* Of WASI a component asks for what its features need, and for what app.wit imports. */
async function build(source, worldName, disableFeatures, out) {
  const { component } = await componentize(await readFile(source, "utf8"), { witPath: "app.wit", worldName, disableFeatures });
  await writeFile(out, component);
}

await mkdir("build", { recursive: true });
await build("app.js", "program", ["http", "fetch-event"], "build/app.wasm");
await build("serve.js", "service", ["fetch-event"], "build/serve.wasm");
