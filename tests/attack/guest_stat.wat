;; Asks about a file above its directory.
;; stands for: CVE-2024-22018
;; grant: above
;; path: ../closed/secret or closed/secret
(func $attack (result i32) (call $path_stat (i32.const 3) (i32.const 1) (i32.const 64) (i32.const $LEN) (i32.const 1024)))
