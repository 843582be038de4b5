;; Makes a file above its directory.
;; stands for: path traversal
;; grant: above
;; path: ../closed/new or closed/new
(func $attack (result i32) (call $open (i32.const 0) (i32.const 1) (i64.const 64)))
