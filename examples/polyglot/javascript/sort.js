import { getArguments } from "wasi:cli/environment@0.2.0";

export const run = {
  run() {
    for (const word of getArguments().slice(1).sort()) console.log(word);
    console.log("sorted by JavaScript");
  },
};
