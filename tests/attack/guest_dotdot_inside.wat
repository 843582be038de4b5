;; The same by way of a folder of its own.
;; stands for: CVE-2023-30584
;; grant: above
;; path: in/../../closed/secret or open/in/../../closed/secret
(func $attack (result i32) (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
