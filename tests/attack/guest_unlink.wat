;; Removes a file above its directory.
;; stands for: path traversal
;; grant: above
;; path: ../closed/secret or closed/secret
(func $attack (result i32) (call $unlink (i32.const 3) (i32.const 64) (i32.const $LEN)))
