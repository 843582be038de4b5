;; Follows a link with a whole path.
;; stands for: CVE-2025-55130
;; grant: all
;; path: out_whole or closed/secret
(func $attack (result i32) (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
