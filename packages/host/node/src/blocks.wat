;; Decoders of lz4 and snappy blocks, in one memory that the caller fills. `blocks-wasm.ts` holds this module compiled.
;; All positions are bytes of the memory. Copies move eight bytes at a time, so the memory needs eight bytes of slack
;; behind input and output.
(module
  (memory (export "memory") 3)

  ;; Copies from `from` to `out`, up to `stop`, and up to seven bytes beyond.
  (func $move (param $from i32) (param $out i32) (param $stop i32)
    (loop $next
      (i64.store align=1 (local.get $out) (i64.load align=1 (local.get $from)))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (local.set $out (i32.add (local.get $out) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $out) (local.get $stop)))))

  ;; Repeats the bytes `distance` before `out`, up to `stop`. The copy may overlap its own output.
  (func $repeat (param $distance i32) (param $out i32) (param $stop i32)
    (local $from i32)
    (local.set $from (i32.sub (local.get $out) (local.get $distance)))
    (if (i32.ge_u (local.get $distance) (i32.const 8))
      (then (call $move (local.get $from) (local.get $out) (local.get $stop)))
      (else
        (loop $next
          (i32.store8 (local.get $out) (i32.load8_u (local.get $from)))
          (local.set $from (i32.add (local.get $from) (i32.const 1)))
          (local.set $out (i32.add (local.get $out) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $out) (local.get $stop)))))))

  ;; Decodes an lz4 block of sequences: token, literals, two-byte distance, match. Returns the end of the output, 0 if
  ;; the block is malformed, or 1 if its output reaches beyond `limit`.
  (func (export "lz4") (param $at i32) (param $end i32) (param $start i32) (param $limit i32) (result i32)
    (local $out i32) (local $token i32) (local $length i32) (local $byte i32) (local $distance i32)
    (local.set $out (local.get $start))
    (loop $sequence
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
      (local.set $token (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $length (i32.shr_u (local.get $token) (i32.const 4)))
      (if (i32.eq (local.get $length) (i32.const 15))
        (then
          (loop $more
            (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
            (local.set $byte (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (local.set $length (i32.add (local.get $length) (local.get $byte)))
            (br_if $more (i32.eq (local.get $byte) (i32.const 255))))))
      (if (i32.gt_u (local.get $length) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))) (then (return (i32.const 1))))
      (call $move (local.get $at) (local.get $out) (i32.add (local.get $out) (local.get $length)))
      (local.set $at (i32.add (local.get $at) (local.get $length)))
      (local.set $out (i32.add (local.get $out) (local.get $length)))
      (if (i32.eq (local.get $at) (local.get $end)) (then (return (local.get $out))))
      (if (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 2)) (then (return (i32.const 0))))
      (local.set $distance (i32.load16_u align=1 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 2)))
      (if (i32.eqz (local.get $distance)) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $distance) (i32.sub (local.get $out) (local.get $start)))
        (then (return (i32.const 0))))
      (local.set $length (i32.and (local.get $token) (i32.const 15)))
      (if (i32.eq (local.get $length) (i32.const 15))
        (then
          (loop $more
            (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
            (local.set $byte (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (local.set $length (i32.add (local.get $length) (local.get $byte)))
            (br_if $more (i32.eq (local.get $byte) (i32.const 255))))))
      (local.set $length (i32.add (local.get $length) (i32.const 4)))
      (if (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))) (then (return (i32.const 1))))
      (call $repeat (local.get $distance) (local.get $out) (i32.add (local.get $out) (local.get $length)))
      (local.set $out (i32.add (local.get $out) (local.get $length)))
      (br $sequence))
    (unreachable))

  ;; Decodes the elements of a snappy block, whose output ends at `limit`. The low two bits of an element's tag tell its
  ;; kind: 0 is a literal, 1 to 3 are copies with a distance of 11, 16 or 32 bits. Returns the end of the output, or 0
  ;; if the block is malformed.
  (func (export "snappy") (param $at i32) (param $end i32) (param $start i32) (param $limit i32) (result i32)
    (local $out i32) (local $tag i32) (local $kind i32) (local $length i32) (local $distance i32) (local $size i32)
    (local.set $out (local.get $start))
    (loop $element
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (local.get $out))))
      (local.set $tag (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $kind (i32.and (local.get $tag) (i32.const 3)))
      (local.set $length (i32.shr_u (local.get $tag) (i32.const 2)))
      (if (i32.eqz (local.get $kind))
        (then
          (if (i32.ge_u (local.get $length) (i32.const 60))
            (then
              ;; The length less one takes the next one to four bytes.
              (local.set $size (i32.sub (local.get $length) (i32.const 59)))
              (if (i32.gt_u (local.get $size) (i32.sub (local.get $end) (local.get $at)))
                (then (return (i32.const 0))))
              (local.set $length
                (i32.and
                  (i32.load align=1 (local.get $at))
                  (i32.shr_u (i32.const -1) (i32.mul (i32.sub (i32.const 4) (local.get $size)) (i32.const 8)))))
              (local.set $at (i32.add (local.get $at) (local.get $size)))))
          (if (i32.ge_u (local.get $length) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
          (if (i32.ge_u (local.get $length) (i32.sub (local.get $limit) (local.get $out)))
            (then (return (i32.const 0))))
          (local.set $length (i32.add (local.get $length) (i32.const 1)))
          (call $move (local.get $at) (local.get $out) (i32.add (local.get $out) (local.get $length)))
          (local.set $at (i32.add (local.get $at) (local.get $length)))
          (local.set $out (i32.add (local.get $out) (local.get $length)))
          (br $element)))
      ;; A distance takes one, two or four bytes.
      (local.set $size (i32.shl (i32.const 1) (i32.sub (local.get $kind) (i32.const 1))))
      (if (i32.gt_u (local.get $size) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
      (local.set $distance (i32.load align=1 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (local.get $size)))
      (if (i32.eq (local.get $kind) (i32.const 1))
        (then
          (local.set $distance
            (i32.or
              (i32.shl (i32.shr_u (local.get $tag) (i32.const 5)) (i32.const 8))
              (i32.and (local.get $distance) (i32.const 255))))
          (local.set $length (i32.add (i32.and (local.get $length) (i32.const 7)) (i32.const 4))))
        (else
          (if (i32.eq (local.get $kind) (i32.const 2))
            (then (local.set $distance (i32.and (local.get $distance) (i32.const 65535)))))
          (local.set $length (i32.add (local.get $length) (i32.const 1)))))
      (if (i32.eqz (local.get $distance)) (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $distance) (i32.sub (local.get $out) (local.get $start)))
        (then (return (i32.const 0))))
      (if (i32.gt_u (local.get $length) (i32.sub (local.get $limit) (local.get $out))) (then (return (i32.const 0))))
      (call $repeat (local.get $distance) (local.get $out) (i32.add (local.get $out) (local.get $length)))
      (local.set $out (i32.add (local.get $out) (local.get $length)))
      (br $element))
    (unreachable)))
