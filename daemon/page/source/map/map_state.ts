/** What the map shows, and what the pointer does in it. */

import { computed, signal } from "@preact/signals";

import { WHOLE, type Camera } from "./camera";
import { colouringOf, COLOURINGS, type ColourBy } from "./palette";
import type { Corner } from "./points";
import { folders, formats, lasso, lassoed, points } from "../core/state";

export type Mode = "move" | "lasso" | "place";

export const camera = signal<Camera>(WHOLE);
/** The radius of a dot as painted last; the fewer points are in sight, the larger. */
export const dotRadius = signal(4);
export const mode = signal<Mode>("move");
/** Where the current sound is about to be placed. */
export const placing = signal<Corner | null>(null);
/** The corners of a lasso while it is drawn. */
export const drawing = signal<Corner[]>([]);

const stored = localStorage.getItem("colour");
export const colourBy = signal<ColourBy>(COLOURINGS.find((each) => each === stored) ?? "kind");

const darkness = matchMedia("(prefers-color-scheme: dark)");
export const isDark = signal(darkness.matches);
darkness.addEventListener("change", (event) => (isDark.value = event.matches));

export const colouring = computed(() =>
  points.value
    && colouringOf(points.value, colourBy.value, isDark.value, folders.value, formats.value));

/** 1 for each point inside the lasso; null without one. */
export const chosen = computed(() => {
  const found = lassoed.value;
  if (!found || !points.value) return null;
  const marks = new Uint8Array(points.value.count);
  for (const at of found) marks[at] = 1;
  return marks;
});

export function clearLasso(): void {
  drawing.value = [];
  lasso.value = null;
}
