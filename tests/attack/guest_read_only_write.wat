;; Opens a file there to write.
;; stands for: a right of writing that was not asked for
;; grant: write
;; path: note or note
(func $attack (result i32) (call $open (i32.const 0) (i32.const 0) (i64.const 64)))
