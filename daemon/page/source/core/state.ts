/** What all views share: the address, the filters, the points, and the sounds that are chosen. */

import { computed, effect, signal } from "@preact/signals";

import { api, isAbort } from "./api";
import { decode, inside, type Corner, type Points } from "../map/points";

export const VIEWS = ["map", "review", "learning", "status"] as const;
export type View = (typeof VIEWS)[number];

/** The options of `valenced query`, by the same names, as far as the page offers them. */
export type Filters = Partial<Record<FilterName, string>>;
export const FILTER_NAMES = [
  "mood", "percentile", "kind", "text", "under", "arousal", "valence", "interval", "novelty",
  "duration", "near",
] as const;
export type FilterName = (typeof FILTER_NAMES)[number];

export const view = signal<View>("map");
export const filters = signal<Filters>({});
export const order = signal("path");

export const points = signal<Points | null>(null);
export const pointsProblem = signal<string | null>(null);
export const isLoading = signal(false);
export const folders = signal<string[]>([]);
export const formats = signal<string[]>([]);

/** Grows when other points have been loaded, not when one of them was moved. */
export const generation = signal(0);
/** The corners of the lasso once it is closed. */
export const lasso = signal<Corner[] | null>(null);
/** Positions of the points inside the lasso, null without one. */
export const lassoed = computed(() =>
  lasso.value && points.value && inside(points.value, lasso.value));
export const currentId = signal<number | null>(null);
/** The row or point that is looked at, by pointer or keyboard. */
export const hoveredId = signal<number | null>(null);
/** Grows when anything in the catalogue has changed. */
export const revision = signal(0);

export const annotator = signal(localStorage.getItem("annotator") ?? "");
effect(() => localStorage.setItem("annotator", annotator.value));

/** The filters as the parameters of a request; each word of the text must be in the path. */
export const query = computed(() => {
  const parameters = new URLSearchParams();
  for (const name of FILTER_NAMES) {
    const value = filters.value[name]?.trim();
    if (!value) continue;
    for (const each of name === "text" ? value.split(/\s+/) : [value]) parameters.append(name, each);
  }
  return parameters;
});

export const selectedCount = computed(() => lassoed.value?.length ?? points.value?.count ?? 0);

export function setFilter(name: FilterName, value: string): void {
  const { [name]: _, ...others } = filters.value;
  filters.value = value ? { ...others, [name]: value } : others;
}

/** Read view, filters and order from the address, which so can be kept as a bookmark. */
function readAddress(): void {
  const [name = "", search = ""] = location.hash.slice(1).split("?");
  const found = new URLSearchParams(search);
  view.value = VIEWS.find((each) => each === name) ?? "map";
  if (view.value === "map") {
    const read: Filters = {};
    for (const each of FILTER_NAMES) {
      const values = found.getAll(each);
      if (values.length) read[each] = values.join(" ");
    }
    if (JSON.stringify(read) !== JSON.stringify(filters.peek())) filters.value = read;
    order.value = found.get("sort") ?? "path";
  }
}

export function addressOf(wanted: View): string {
  if (wanted !== "map") return `#${wanted}`;
  const search = new URLSearchParams(query.value);
  if (order.value !== "path") search.set("sort", order.value);
  return `#map${search.size ? `?${search}` : ""}`;
}

let loading: AbortController | null = null;

async function loadPoints(parameters: URLSearchParams): Promise<void> {
  loading?.abort();
  const own = (loading = new AbortController());
  isLoading.value = true;
  try {
    points.value = decode(await api.points(parameters, own.signal));
    generation.value += 1;
    pointsProblem.value = null;
  } catch (error) {
    if (isAbort(error)) return;
    pointsProblem.value = (error as Error).message;
  }
  if (loading === own) isLoading.value = false;
}

const QUIET_MS = 250;
const REFRESH_MS = 5000;

/** Keep address and points in step with the filters, and the points with the catalogue. */
export function startState(): void {
  readAddress();
  addEventListener("hashchange", readAddress);
  effect(() => {
    if (view.value === "map") history.replaceState(null, "", addressOf("map"));
  });
  let timer = 0;
  let loaded = "";
  let changed = 0;
  effect(() => {
    const parameters = query.value;
    const isNew = parameters.toString() !== loaded || points.peek() === null;
    const isChanged = revision.value !== changed;
    changed = revision.value;
    if (!isNew && !isChanged) return;
    const wait = points.peek() === null ? 0 : isNew ? QUIET_MS : REFRESH_MS;
    clearTimeout(timer);
    timer = setTimeout(() => {
      loaded = parameters.toString();
      void loadPoints(parameters);
    }, wait);
  });
  const named = async () => {
    try {
      [folders.value, formats.value] = await Promise.all([api.folders(), api.formats()]);
    } catch {
      // Colours by folder and format then have no names; the points say what is wrong.
    }
  };
  void named();
}
