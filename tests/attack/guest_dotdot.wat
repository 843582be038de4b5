;; Opens a file above its directory.
;; stands for: path traversal, CVE-2021-41641
;; grant: above
;; path: ../closed/secret or closed/secret
(func $attack (result i32) (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
