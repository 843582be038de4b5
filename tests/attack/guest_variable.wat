;; Reads a variable of the program's.
;; stands for: the environment as secrets
;; grant: env
(func $attack (result i32)
  (drop (call $environ_sizes (i32.const 1024) (i32.const 1028)))
  (if (i32.eqz (i32.load (i32.const 1024))) (then (return (i32.const 44))))
  (drop (call $environ (i32.const 2048) (i32.const 4096)))
  (select (i32.const 0) (i32.const 44) (i32.eq (i32.load (i32.const 4096)) (i32.const 0x52434553))))
