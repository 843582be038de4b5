;; Opens a file behind a link to a folder.
;; stands for: CVE-2025-55130
;; grant: above
;; path: out_folder/secret or open/out_folder/secret
(func $attack (result i32) (call $read_secret (call $open (i32.const 1) (i32.const 0) (i64.const 2))))
