;; Gives a file outside a name inside.
;; stands for: hard links out of a sandbox
;; grant: above
;; path: ../closed/secret or closed/secret
(data (i32.const 512) "stolen")
(func $attack (result i32) (local $error i32)
  (local.set $error (call $link (i32.const 3) (i32.const 0) (i32.const 64) (i32.const $LEN) (i32.const 3) (i32.const 512) (i32.const 6)))
  (if (local.get $error) (then (return (local.get $error))))
  (local.set $error (call $path_open (i32.const 3) (i32.const 0) (i32.const 512) (i32.const 6) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
  (call $read_secret (local.get $error)))
