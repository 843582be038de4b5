;; Makes a folder above its directory.
;; stands for: path traversal
;; grant: above
;; path: ../closed/made or closed/made
(func $attack (result i32) (call $mkdir (i32.const 3) (i32.const 64) (i32.const $LEN)))
