/** Which colour each point has, and what the colours mean. */

import { groupsOf } from "./folder_groups";
import { KINDS, type Points } from "./points";

export const COLOURINGS = ["kind", "folder", "novelty", "format"] as const;
export type ColourBy = (typeof COLOURINGS)[number];
export type Colour = readonly [red: number, green: number, blue: number];

export interface Entry {
  label: string;
  colour: Colour;
  count: number;
}

/** `index` has the entry of each point. */
export interface Colouring {
  index: Uint8Array;
  entries: Entry[];
}

interface Theme {
  categories: readonly string[];
  grades: readonly string[];
  other: string;
}

// Of one lightness in each theme, and apart from each other for people who see fewer colours.
const LIGHT: Theme = {
  categories: ["#0b62a8", "#c2500f", "#0d7f62", "#a3447f", "#7a6a00", "#3c3c9e", "#8a4b2a", "#4b7a1e"],
  grades: ["#7d93a8", "#4673ac", "#7a4fa3", "#b3377f", "#c8102e"],
  other: "#73736e",
};
const DARK: Theme = {
  categories: ["#6db4ff", "#ff9a5c", "#4fd0a8", "#f08cc4", "#e0cf52", "#a9a6ff", "#d9a07e", "#a5d66a"],
  grades: ["#8294a6", "#6fa8e0", "#b08ae8", "#f07ab8", "#ff6b6b"],
  other: "#9a9a94",
};

const NOVELTY_STEPS = [0.5, 1, 1.5, 2];
const NOVELTY_UNIT = 50;

function rgb(hex: string): Colour {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function css([red, green, blue]: Colour): string {
  return `rgb(${red} ${green} ${blue})`;
}

export function colouringOf(
  points: Points, by: ColourBy, isDark: boolean, folders: string[], formats: string[],
): Colouring {
  const theme = isDark ? DARK : LIGHT;
  if (by === "novelty") return byNovelty(points, theme);
  if (by === "kind") {
    const colours = [theme.other, ...theme.categories.slice(0, 3)];
    const entries = KINDS.map((label, at) => ({ label, colour: rgb(colours[at]!), count: 0 }));
    return tallied({ index: points.kind.slice(), entries });
  }
  return by === "folder" ? byFolder(points, theme, folders) : byFormat(points, theme, formats);
}

function byNovelty(points: Points, theme: Theme): Colouring {
  const steps = NOVELTY_STEPS.map((step) => step * NOVELTY_UNIT);
  const grades = Uint8Array.from({ length: 256 }, (_, value) =>
    steps.filter((step) => value > step).length);
  const labels = ["up to 0.5, familiar", "0.5 to 1", "1 to 1.5, unfamiliar", "1.5 to 2", "above 2"];
  const entries = labels.map((label, at) => ({ label, colour: rgb(theme.grades[at]!), count: 0 }));
  return tallied({ index: points.novelty.map((value) => grades[value]!), entries });
}

function byFolder(points: Points, theme: Theme, folders: string[]): Colouring {
  const counts = countsOf(points.folder);
  const groups = groupsOf(folders, counts, theme.categories.length);
  return named(points.folder, theme, groups.map(({ path, members }) => [path, members]));
}

/** The most frequent formats get a colour each, all others share one. */
function byFormat(points: Points, theme: Theme, formats: string[]): Colouring {
  const counts = countsOf(points.format);
  const frequent = formats
    .map((_, at) => at)
    .filter((at) => counts[at]! > 0)
    .sort((one, other) => counts[other]! - counts[one]!)
    .slice(0, theme.categories.length);
  return named(points.format, theme, frequent.map((at) => [formats[at]!, [at]]));
}

function named(
  column: Uint8Array | Uint16Array, theme: Theme, groups: [label: string, members: number[]][],
): Colouring {
  const entries: Entry[] = groups.map(([label], rank) => (
    { label, colour: rgb(theme.categories[rank]!), count: 0 }));
  entries.push({ label: "other", colour: rgb(theme.other), count: 0 });
  const entryOf = new Uint8Array(65536).fill(groups.length);
  groups.forEach(([, members], rank) => members.forEach((at) => (entryOf[at] = rank)));
  const index = new Uint8Array(column.length);
  for (let at = 0; at < index.length; at++) index[at] = entryOf[column[at]!]!;
  return tallied({ index, entries });
}

function countsOf(column: Uint8Array | Uint16Array): Uint32Array {
  const counts = new Uint32Array(65536);
  for (const value of column) counts[value]!++;
  return counts;
}

function tallied(colouring: Colouring): Colouring {
  const last = colouring.entries.length - 1;
  const counts = new Uint32Array(256);
  for (const at of colouring.index) counts[at]!++;
  colouring.entries.forEach((entry, at) => (entry.count = counts[at]!));
  for (let at = 0; at < colouring.index.length; at++) {
    // A newer server may know more kinds than this page.
    if (colouring.index[at]! > last) colouring.index[at] = 0;
  }
  return colouring;
}
