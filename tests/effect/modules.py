"""Modules for the tests, as WebAssembly text: each does one thing, most of them one that it should not."""

from __future__ import annotations

ALLOC = """
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 4096))
  (func $alloc (export "alloc") (param $length i32) (result i32)
    (local $place i32)
    (local.set $place (global.get $free))
    (global.set $free (i32.add (global.get $free) (local.get $length)))
    (local.get $place))
"""


def module(run: str, *, before: str = "", rest: str = "") -> bytes:
    """A module whose `run` has this body; `before` are its imports."""
    return (
        f'(module {before} {ALLOC} {rest} (func (export "run") (param i32 i32) (result i64) {run}))'.encode()
    )


def packed(start: int, length: int) -> str:
    """An instruction that gives a pointer and length, packed."""
    return f"(i64.const {(start << 32) | length})"


def says(text: str) -> bytes:
    """A module that answers this text."""
    data = text.encode()
    escaped = "".join(f"\\{byte:02x}" for byte in data)
    return module(packed(16, len(data)), rest=f'(data (i32.const 16) "{escaped}")')


def asks(request: str) -> bytes:
    """A module that sends this request, and answers what it was told."""
    data = request.encode()
    escaped = "".join(f"\\{byte:02x}" for byte in data)
    return module(
        f"(call $http (i32.const 16) (i32.const {len(data)}))",
        before='(import "lathe" "http" (func $http (param i32 i32) (result i64)))',
        rest=f'(data (i32.const 16) "{escaped}")',
    )


ECHO = module(
    """(local $place i32)
    (local.set $place (call $alloc (i32.add (local.get 1) (i32.const 7))))
    (i64.store (local.get $place) (i64.const 0x003a226b6f227b))
    (memory.copy (i32.add (local.get $place) (i32.const 6)) (local.get 0) (local.get 1))
    (i32.store8 (i32.add (local.get $place) (i32.add (local.get 1) (i32.const 6))) (i32.const 125))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $place)) (i64.const 32))
      (i64.extend_i32_u (i32.add (local.get 1) (i32.const 7))))"""
)
"""Answers `{"ok":INPUT}`."""
LOOP = module(f"(loop $again (br $again)) {packed(0, 0)}")
GREEDY = module(
    "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)"
)
RECURSIVE = module(
    f"(call $deep) {packed(0, 0)}", rest="(func $deep (local i64 i64 i64 i64) (call $deep) (call $deep))"
)
TRAPS = module("(unreachable)")
TABLES = b"""(module (table $t 1 funcref) (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 8))
  (func (export "run") (param i32 i32) (result i64)
    (if (i32.eq (table.grow $t (ref.null func) (i32.const 0x7fffff)) (i32.const -1)) (then (unreachable)))
    (i64.const 0)))"""
ALLOCATES_OUTSIDE = b"""(module (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const -8))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))"""
LARGE_AT_ONCE = b"""(module (memory (export "memory") 5000)
  (func (export "alloc") (param i32) (result i32) (i32.const 8))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))"""
STARTS_TO_LOOP = b"""(module (memory (export "memory") 1) (func $s (loop $l (br $l))) (start $s)
  (func (export "alloc") (param i32) (result i32) (i32.const 8))
  (func (export "run") (param i32 i32) (result i64) (i64.const 0)))"""
LOGS = module(
    f"(call $log (i32.const 2) (i32.const 16) (i32.const 5)) {packed(32, 9)}",
    before='(import "lathe" "log" (func $log (param i32 i32 i32)))',
    rest='(data (i32.const 16) "hello") (data (i32.const 32) "{\\"ok\\":{}}")',
)
LOGS_OUTSIDE = module(
    f"(call $log (i32.const 2) (i32.const -4) (i32.const 5)) {packed(32, 9)}",
    before='(import "lathe" "log" (func $log (param i32 i32 i32)))',
    rest='(data (i32.const 32) "{\\"ok\\":{}}")',
)
FLOODS = module(
    "(loop $again (call $log (i32.const 9) (i32.const 0) (i32.const 60000)) (br $again)) (unreachable)",
    before='(import "lathe" "log" (func $log (param i32 i32 i32)))',
)
READS_THE_CLOCK = module(
    f"(loop $again (drop (call $now)) (br $again)) {packed(0, 0)}",
    before='(import "lathe" "now" (func $now (result i64)))',
)
RANDOM_TOO_MUCH = module(
    f"(call $random (i32.const 0) (i32.const 5000)) {packed(0, 0)}",
    before='(import "lathe" "random" (func $random (param i32 i32)))',
)
RANDOM_OUTSIDE = module(
    f"(call $random (i32.const 65530) (i32.const 64)) {packed(0, 0)}",
    before='(import "lathe" "random" (func $random (param i32 i32)))',
)
ASKS_FOREVER = module(
    "(loop $again (drop (call $http (i32.const 16) (i32.const 26))) (br $again)) (unreachable)",
    before='(import "lathe" "http" (func $http (param i32 i32) (result i64)))',
    rest='(data (i32.const 16) "{\\"url\\":\\"http://10.0.0.1/\\"}")',
)
FOREIGN = module(packed(0, 0), before='(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32)))')
WRONG_TYPE = b"""(module (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 8))
  (func (export "run") (param i32) (result f64) (f64.const 0)))"""

COMPONENT = b"""(component
  (import "now" (func $now (result u64)))
  (import "random" (func $random (param "length" u32) (result (list u8))))
  (import "log" (func $log (param "level" u32) (param "message" string)))
  (core module $libc
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 3)))))
  (core instance $libc (instantiate $libc))
  (core func $now' (canon lower (func $now)))
  (core func $random' (canon lower (func $random)
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core func $log' (canon lower (func $log) (memory (core memory $libc "memory"))))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "host" "now" (func $now (result i64)))
    (import "host" "random" (func $random (param i32 i32)))
    (import "host" "log" (func $log (param i32 i32 i32)))
    (func (export "run") (param i32 i32) (result i32)
      (drop (call $now))
      (call $random (i32.const 8) (i32.const 64))
      (call $log (i32.const 1) (local.get 0) (local.get 1))
      (i32.store (i32.const 32) (i32.const 0))
      (i32.store (i32.const 36) (local.get 0))
      (i32.store (i32.const 40) (local.get 1))
      (i32.const 32))
    (func (export "loop") (param i32 i32) (result i32) (loop $l (br $l)) (unreachable)))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance
      (export "now" (func $now')) (export "random" (func $random')) (export "log" (func $log'))))))
  (func (export "run") (param "request" string) (result (result string (error string)))
    (canon lift (core func $main "run")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (func (export "loop") (param "request" string) (result (result string (error string)))
    (canon lift (core func $main "loop")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))"""
"""Its `run` answers its input, and uses three host functions; its `loop` does not end."""
