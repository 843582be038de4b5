;; Takes connections from descriptors that it was not given.
;; stands for: descriptors of the host
;; grant: none
(func $attack (result i32) (local $fd i32) (local $error i32)
  (loop $next
    (local.set $error (call $accept (local.get $fd) (i32.const 0) (i32.const 16)))
    (if (i32.eqz (local.get $error)) (then (return (i32.const 0))))
    (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $fd) (i32.const 200))))
  (local.get $error))
