;; Follows a link that leads out of its directory.
;; stands for: CVE-2025-55130
;; grant: above
;; path: out or open/out
(func $attack (result i32) (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
