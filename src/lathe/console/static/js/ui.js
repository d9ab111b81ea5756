// What every part and page is made of, under one roof: Preact, its hooks, signals, and `html` templates.
import { h, render, Fragment, createContext } from "preact";
import htm from "htm";

export { render, Fragment, createContext };
export { useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useContext, useErrorBoundary, useId } from "preact/hooks";
export { signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect } from "@preact/signals";

/** A template of elements. `<` in text must be written as `${"<"}`: htm reads templates when they run. */
export const html = htm.bind(h);

/** Class names, those that are true. */
export const classes = (...names) => names.filter(Boolean).join(" ");
