/** The rows of the selection, loaded as far as they are looked at. */

import { effect, signal } from "@preact/signals";

import { api, isAbort, MOST_ROWS } from "../core/api";
import { current, remember } from "../core/details";
import { filters, generation, lasso, lassoed, order, points, query } from "../core/state";
import type { Sound } from "../core/types";

const PAGE = 100;

export const rows = signal<Sound[]>([]);
export const rowsProblem = signal<string | null>(null);
/** Whether the first rows are still on their way. */
export const isLoading = signal(true);
/** Where the rows go on; null at their end. */
export const next = signal<number | null>(null);

export const ORDERS = {
  path: "name",
  arousal: "calm first",
  "-arousal": "energetic first",
  "-valence": "pleasant first",
  valence: "unpleasant first",
  novelty: "familiar first",
  "-novelty": "unfamiliar first",
  interval: "surest first",
  duration_s: "short first",
  "-duration_s": "long first",
  "-analysed_at": "newest first",
} as const;

let loading: AbortController | null = null;

/** The ids inside the lasso; all of them, in no order. */
export function lassoedIds(): number[] | null {
  const [found, all] = [lassoed.peek(), points.peek()];
  return found && all && Array.from(found, (at) => all.id[at]!);
}

export function startRows(): void {
  effect(() => {
    // The points change with the filters and the catalogue; the rows follow them.
    void [generation.value, lasso.value, order.value];
    void load(false);
  });
  effect(() => {
    const own = current.value?.sound;
    if (own) rows.value = rows.peek().map((each) => (each.id === own.id ? own : each));
  });
}

export function loadMore(): void {
  void load(true);
}

async function load(more: boolean): Promise<void> {
  loading?.abort();
  if (!points.peek()) return;
  const own = (loading = new AbortController());
  try {
    const found = lassoed.peek() ? await ofLasso(own.signal) : await ofFilters(more, own.signal);
    remember(found);
    rows.value = more ? [...rows.peek(), ...found] : found;
    rowsProblem.value = null;
    isLoading.value = false;
  } catch (error) {
    if (!isAbort(error)) rowsProblem.value = (error as Error).message;
  }
}

async function ofLasso(signal: AbortSignal): Promise<Sound[]> {
  const found = await api.rows((lassoedIds() ?? []).slice(0, MOST_ROWS), signal);
  next.value = null;
  return sorted(found, order.peek());
}

async function ofFilters(more: boolean, signal: AbortSignal): Promise<Sound[]> {
  const parameters = new URLSearchParams(query.peek());
  // Sounds near a place come nearest first, unless another order was chosen.
  if (!(filters.peek().near && order.peek() === "path")) parameters.set("sort", order.peek());
  parameters.set("limit", String(PAGE));
  if (more && next.peek() !== null) parameters.set("after", String(next.peek()));
  const found = await api.sounds(parameters, signal);
  next.value = found.next;
  return found.sounds;
}

function sorted(found: Sound[], key: string): Sound[] {
  const [name, sign] = key.startsWith("-") ? [key.slice(1), -1] : [key, 1];
  const valueOf = (sound: Sound): number | string =>
    name === "interval"
      ? Math.max(sound.arousal_high - sound.arousal_low, sound.valence_high - sound.valence_low)
      : (sound[name as keyof Sound] ?? "");
  return found.toSorted((one, other) => {
    const [a, b] = [valueOf(one), valueOf(other)];
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  });
}
