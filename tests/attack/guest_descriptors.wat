;; Reads from descriptors that it was not given, as the process has them.
;; stands for: descriptors of the host
;; grant: none
(func $attack (result i32) (local $fd i32) (local $error i32)
  (local.set $fd (i32.const 4))
  (loop $next
    (local.set $error (call $read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 16)))
    (if (i32.eqz (local.get $error)) (then (return (i32.const 0))))
    (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $fd) (i32.const 1000))))
  (local.get $error))
