// Icons as strokes of one width, drawn here: no font has them everywhere.
import { html } from "../ui.js";

const PATHS = {
  mark: "M2.5 3.5h11a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z M3.8 8h0 M5.2 6.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8Z M6.6 8h5.4 M10.3 6.3 12 8l-1.7 1.7",
  grid: "M2.5 2.5h4.5v4.5H2.5Z M9 2.5h4.5v4.5H9Z M2.5 9h4.5v4.5H2.5Z M9 9h4.5v4.5H9Z",
  app: "M8 1.8 13.5 5v6L8 14.2 2.5 11V5Z M2.7 5.1 8 8.2l5.3-3.1 M8 8.2v5.8",
  wish: "M8 2.2a4.3 4.3 0 0 1 2.4 7.9c-.5.4-.7.8-.7 1.4H6.3c0-.6-.2-1-.7-1.4A4.3 4.3 0 0 1 8 2.2Z M6.6 13.8h2.8",
  menu: "M2.5 4.5h11 M2.5 8h11 M2.5 11.5h11",
  close: "M3.5 3.5l9 9 M12.5 3.5l-9 9",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9Z M10.4 10.4l3.1 3.1",
  sun: "M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z M8 1.2v1.4 M8 13.4v1.4 M1.2 8h1.4 M13.4 8h1.4 M3.2 3.2l1 1 M11.8 11.8l1 1 M12.8 3.2l-1 1 M4.2 11.8l-1 1",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8Z",
  keys: "M1.8 4.5h12.4v7H1.8Z M4.2 7h.4 M6.6 7h.4 M9 7h.4 M11.4 7h.4 M5 9.4h6",
  lock: "M4 7h8v6H4Z M5.6 7V5.2a2.4 2.4 0 0 1 4.8 0V7",
  cut: "M2 8h3.5 M10.5 8H14 M6.5 5.5l3 5 M9.5 5.5l-3 5",
  late: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2Z M8 4.8V8l2.2 1.6",
  hand: "M8 13.8c3 0 4.7-2 4.7-4.6V6.4a1 1 0 0 0-2 0 M10.7 7V4a1 1 0 0 0-2 0v3 M8.7 6.6V2.9a1 1 0 0 0-2 0v4 M6.7 7V4.2a1 1 0 0 0-2 0v5.5L3.6 8.3a1 1 0 0 0-1.6 1.2c1.6 2.6 2.9 4.3 6 4.3",
  run: "M5 3.4v9.2l7.4-4.6Z",
  done: "M3 8.6l3.2 3.2L13 4.6",
  rest: "M8 3.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4Z",
  copy: "M5.5 5.5h8v8h-8Z M3.2 10.5h-.7v-8h8v.7",
  code: "M5.5 4.5 2 8l3.5 3.5 M10.5 4.5 14 8l-3.5 3.5",
  arrow: "M3 8h9.5 M9.2 4.5 12.7 8l-3.5 3.5",
  down: "M4 6l4 4 4-4",
  left: "M10 4 6 8l4 4",
  right: "M6 4l4 4-4 4",
  warn: "M8 2.4 14.2 13.2H1.8Z M8 6.4v3.2 M8 11.4v.2",
  info: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2Z M8 7.4v3.4 M8 5v.2",
  person: "M8 2.6a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2Z M2.8 13.6a5.2 5.2 0 0 1 10.4 0",
  agent: "M3.5 5.5h9v7h-9Z M8 5.5V3 M6 8.6v.8 M10 8.6v.8 M1.8 8v2.4 M14.2 8v2.4",
  effect: "M3 8h6 M7 5.5 9.5 8 7 10.5 M11.5 3.5v9",
  ledger: "M3.5 2.5h9v11h-9Z M5.8 5.5h4.4 M5.8 8h4.4 M5.8 10.5h2.6",
  scales: "M8 2.5v11 M4.5 13.5h7 M3 4.5h10 M3 4.5 1.6 9h2.8Z M13 4.5 11.6 9h2.8Z",
  graph: "M3.5 3.5h3v3h-3Z M9.5 9.5h3v3h-3Z M5 6.5V11h4.5",
  report: "M3.5 2.5h6l3 3v8h-9Z M9.5 2.5v3h3 M6 9.4l1.4 1.4L10 8",
  loop: "M4 6.2a4.4 4.4 0 1 1-.4 3.6 M3.4 3.2v3.2h3.2",
  history: "M3.2 5.2A5.8 5.8 0 1 1 2.2 8.6 M2.8 2.6v2.9h2.9 M8 5v3.2l2.2 1.4",
  open: "M2.5 12.5v-9h4l1.4 1.6h5.6v7.4Z",
  play: "M5 3.4v9.2l7.4-4.6Z",
};

/** A 16 by 16 picture; it says nothing that the words beside it do not. */
export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
  <path d=${PATHS[name]} />
</svg>`;
