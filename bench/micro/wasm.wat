;; What wasm.c calls, and what peers/wasm.mjs has as bytes.
(module
  (import "env" "nop" (func $nop))
  (memory (export "memory") 1)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "many") (param i32)
    (loop $again
      (call $nop)
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
