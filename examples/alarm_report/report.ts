// One report from the readings of an alarm: how many, their mean and their peak. README.md says how to build it.

@external("lathe", "log")
declare function log(level: i32, pointer: i32, length: i32): void;

/** A place for so many bytes; the host writes the input there. */
export function alloc(length: i32): i32 {
  return heap.alloc(length) as i32;
}

/** What stands behind `"name":` in the input, up to a character. */
function part(text: string, name: string, end: string): string {
  const mark = `"${name}":`;
  const at = text.indexOf(mark);
  if (at < 0) return "";
  const from = at + mark.length;
  const to = text.indexOf(end, from + 1);
  return text.substring(from, to < 0 ? text.length : to);
}

/** Pointer and length of an answer, packed as the host wants them. */
function answer(text: string): i64 {
  const bytes = String.UTF8.encode(text);
  return ((changetype<usize>(bytes) as i64) << 32) | (bytes.byteLength as i64);
}

function say(text: string): void {
  const bytes = String.UTF8.encode(text);
  log(1, changetype<usize>(bytes) as i32, bytes.byteLength);
}

export function run(pointer: i32, length: i32): i64 {
  const input = String.UTF8.decodeUnsafe(pointer as usize, length as usize);
  const list = part(input, "readings", "]");
  const numbers = list.substring(1).split(",");
  if (list.length < 2) return answer('{"error":"there are no readings"}');
  let sum = 0, peak = 0;
  for (let i = 0; i < numbers.length; i++) {
    const reading = I32.parseInt(numbers[i].trim());
    sum += reading;
    if (reading > peak) peak = reading;
  }
  const sensor = part(input, "sensor", '"').substring(1);
  say(`${numbers.length} readings`);
  const text = `${sensor}: ${numbers.length} readings, mean ${sum / numbers.length}, peak ${peak}`;
  return answer(`{"ok":{"report":"${text}","peak":${peak}}}`);
}
