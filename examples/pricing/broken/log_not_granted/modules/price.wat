;; What a parcel costs, in cents: 490, and 120 for each kilogram beyond the second; express costs twice that.
;; The input is `[weight, express]`, like `[7,true]`; the answer is like `{"ok":{"price":2180}}`.
(module
  (import "lathe" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\"ok\":{\"price\":")                ;; 15 bytes, the digits follow
  (data (i32.const 64) "{\"error\":\"no such weight\"}")    ;; 26 bytes
  (data (i32.const 128) "priced by the list of 2026")      ;; 26 bytes

  ;; One call is all that an instance lives for, so the input always stands at the same place.
  (func (export "alloc") (param $length i32) (result i32) (i32.const 1024))

  (func $packed (param $pointer i32) (param $length i32) (result i64)
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $pointer)) (i64.const 32))
      (i64.extend_i32_u (local.get $length))))

  (func $price (param $weight i32) (param $express i32) (result i32)
    (local $cents i32)
    (local.set $cents (i32.const 490))
    (if (i32.gt_u (local.get $weight) (i32.const 2))
      (then
        (local.set $cents
          (i32.add (local.get $cents)
            (i32.mul (i32.const 120) (i32.sub (local.get $weight) (i32.const 2)))))))
    (i32.mul (local.get $cents) (i32.add (i32.const 1) (local.get $express))))

  ;; Writes a number behind the 15 bytes, and `}}` behind it; gives the length of it all.
  (func $write (param $number i32) (result i32)
    (local $digits i32) (local $rest i32) (local $end i32)
    (local.set $rest (local.get $number))
    (loop $count
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (br_if $count (local.get $rest)))
    (local.set $end (i32.add (i32.const 15) (local.get $digits)))
    (i32.store16 (local.get $end) (i32.const 0x7d7d))
    (loop $digit
      (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
      (i32.store8
        (i32.add (i32.const 15) (local.get $digits))
        (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (br_if $digit (local.get $digits)))
    (i32.add (local.get $end) (i32.const 2)))

  (func (export "run") (param $at i32) (param $length i32) (result i64)
    (local $weight i32) (local $digit i32)
    (local.set $at (i32.add (local.get $at) (i32.const 1))) ;; behind the bracket
    (block $read
      (loop $next
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (br_if $read (i32.gt_u (local.get $digit) (i32.const 9)))
        (local.set $weight (i32.add (i32.mul (local.get $weight) (i32.const 10)) (local.get $digit)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (if (i32.gt_u (i32.sub (local.get $weight) (i32.const 1)) (i32.const 9))
      (then (return (call $packed (i32.const 64) (i32.const 26)))))
    (call $log (i32.const 1) (i32.const 128) (i32.const 26))
    (call $packed
      (i32.const 0)
      (call $write
        (call $price
          (local.get $weight)
          (i32.eq (i32.load8_u (i32.add (local.get $at) (i32.const 1))) (i32.const 116))))))) ;; `t` of `true`
