;; Removes a folder above its directory.
;; stands for: path traversal
;; grant: above
;; path: ../closed/empty or closed/empty
(func $attack (result i32) (call $rmdir (i32.const 3) (i32.const 64) (i32.const $LEN)))
