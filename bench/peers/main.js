// The program of the row cold_start_main on Node, Bun and Deno.
console.log("main");
