// What the pages of the simulator share: how a campaign stands, and the line that repeats it.
import { Icon } from "../parts/icon.js";
import { html } from "../ui.js";

/** Seeds of each mix, where nothing else is said. */
export const SEEDS = 100;

/** The mixes of faults, with what they are. */
export const MIXES = [
  ["all", "all three, in turn"],
  ["calm", "hardly anything goes wrong"],
  ["moderate", "now and then"],
  ["chaos", "everything, all the time"],
];

const STATES = {
  waiting: ["late", "waits for its turn"], running: ["run", "runs"], done: ["done", "done"],
  cancelled: ["cut", "ended early"], failed: ["warn", "could not run"],
};

/** Whether more may come. */
export const isGoing = ({ state }) => state === "waiting" || state === "running";

/** How it stands, as a word in a colour: what it found counts more than that it is over. */
export function Going({ one }) {
  const failed = one.progress?.failed ?? 0;
  const [icon, words] = STATES[one.state];
  const found = one.state === "failed" || failed > 0;
  const names = found ? "refused" : one.state === "done" ? "admitted" : "unknown";
  const told = one.state === "done" ? (failed ? "found something" : "nothing found") : words;
  return html`<span class=${`verdict ${isGoing(one) && !found ? "" : names}`}><${Icon} name=${one.state === "done" && found ? "close" : icon} />${told}</span>`;
}

/** The command that runs the same campaign, or with `seed` the one that repeats a run. */
export function commandOf({ seed, seeds, seconds, mix }) {
  const words = ["lathe sim FOLDER"];
  if (seed) words.push(`--seed ${seed}`);
  if (seconds) words.push(`--for ${seconds}s`);
  else words.push(`--seeds ${seeds ?? SEEDS}`);
  if (mix !== "all") words.push(`--mix ${mix}`);
  return words.join(" ");
}

export const repeating = ({ seed, mix }) => `lathe sim FOLDER --seed ${seed} --mix ${mix}`;
