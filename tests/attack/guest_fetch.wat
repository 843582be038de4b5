;; Asks a server of the machine.
;; stands for: SSRF
;; grant: net
;; path: http://127.0.0.1:PORT/ or http://127.0.0.1:PORT/
(func $attack (result i32)
  (select (i32.const 0) (i32.const 63) (i32.gt_s (call $http_fetch (i32.const 64) (i32.const $LEN)) (i32.const 0))))
