// How times, durations, numbers and values are told.

const NUMBER = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const LONG_DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export const number = (value) => NUMBER.format(value);

/** A span in two units at most: `420 ms`, `3.2 s`, `4 m 10 s`, `2 h 5 m`, `3 d 4 h`. */
export function duration(ms) {
  const whole = Math.abs(ms);
  if (whole < 1_000) return `${Math.round(whole)} ms`;
  if (whole < 10_000) return `${(whole / 1_000).toFixed(1)} s`;
  const seconds = Math.round(whole / 1_000);
  const parts = [
    ["d", Math.floor(seconds / 86_400)],
    ["h", Math.floor(seconds / 3_600) % 24],
    ["m", Math.floor(seconds / 60) % 60],
    ["s", seconds % 60],
  ];
  const first = parts.findIndex(([, n]) => n > 0);
  return parts.slice(first, first + 2).filter(([, n]) => n > 0).map(([unit, n]) => `${n} ${unit}`).join(" ");
}

/** When, seen from `now`: `just now`, `12 s ago`, `in 4 m`. */
export function relative(iso, now) {
  const ms = now - Date.parse(iso);
  if (Math.abs(ms) < 1_500) return "just now";
  const coarse = Math.abs(ms) < 10_000 ? Math.round(ms / 1_000) * 1_000 : ms;
  const told = duration(coarse).split(" ").slice(0, 2).join(" ").replace(".0", "");
  return ms > 0 ? `${told} ago` : `in ${told}`;
}

/** The clock time today, with the day before that. */
export function clock(iso, now = Date.now()) {
  const date = new Date(iso);
  const today = new Date(now).toDateString() === date.toDateString();
  if (today) return CLOCK.format(date);
  const year = date.getFullYear() === new Date(now).getFullYear();
  return `${(year ? DAY : LONG_DAY).format(date)} ${CLOCK.format(date)}`;
}

/** A value in a line, as the blueprint's author would write it. */
export function value(given) {
  if (given === null || given === undefined) return "–";
  return typeof given === "string" ? given : JSON.stringify(given);
}

/** The end of a long id: what tells it from others. */
export const short = (id) => (id.length > 14 ? `…${id.slice(-10)}` : id);

export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
