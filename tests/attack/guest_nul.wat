;; Ends a path that is looked at by a NUL.
;; stands for: CVE-2015-3306, a NUL in a path
;; grant: all
;; path: note\00../closed/secret or closed/secret
(func $attack (result i32) (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
