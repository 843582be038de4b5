;; Has the host write behind its memory.
;; stands for: CVE-2023-26489
;; grant: none
(func $attack (result i32)
  (call $random (i32.const 65530) (i32.const 4096)))
