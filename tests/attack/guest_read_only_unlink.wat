;; Removes a file there.
;; stands for: a right of writing that was not asked for
;; grant: write
;; path: note or note
(func $attack (result i32) (call $unlink (i32.const 3) (i32.const 64) (i32.const $LEN)))
