import { getArguments } from "wasi:cli/environment@0.2.0";

export const run = {
  run() {
    const [, name = "world"] = getArguments();
    console.log(`Hello, ${name}!`);
  },
};
