;; Makes a file in a directory that it has to read.
;; stands for: a right of writing that was not asked for
;; grant: write
;; path: new or new
(func $attack (result i32) (call $open (i32.const 0) (i32.const 1) (i64.const 64)))
