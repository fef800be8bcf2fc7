/** Rows of sounds that were asked for before, and everything about the current one. */

import { effect, signal } from "@preact/signals";

import { api } from "./api";
import { complain, tell } from "./messages";
import { annotator, currentId, points, revision } from "./state";
import type { CurvePoint, Sound, SoundDetails } from "./types";
import { place, positionOf } from "../map/points";
import { nameOf } from "./format";

const KEPT = 5000;
const rows = new Map<number, Sound>();

export const current = signal<SoundDetails | null>(null);
export const curve = signal<CurvePoint[]>([]);

export function remember(found: readonly Sound[]): void {
  if (rows.size > KEPT) rows.clear();
  for (const row of found) rows.set(row.id, row);
}

export function known(id: number): Sound | undefined {
  return rows.get(id);
}

/** The row of one sound; null if it is gone. */
export async function rowOf(id: number, signal?: AbortSignal): Promise<Sound | null> {
  const found = rows.get(id);
  if (found) return found;
  const [row] = await api.rows([id], signal);
  if (row) remember([row]);
  return row ?? null;
}

async function load(id: number): Promise<void> {
  try {
    const [details, found] = await Promise.all([api.sound(id), api.curve(id)]);
    if (currentId.peek() === id) curve.value = found;
    show(id, details);
  } catch (error) {
    if (currentId.peek() === id) complain(error);
  }
}

function show(id: number, details: SoundDetails): void {
  if (currentId.peek() === id) current.value = details;
  if (!details.sound) return;
  remember([details.sound]);
  movePoint(id, details);
}

function movePoint(id: number, details: SoundDetails): void {
  const all = points.peek();
  const at = all && details.sound ? positionOf(all, id) : -1;
  if (!all || at < 0) return;
  const { arousal, valence } = details.sound!;
  if (place(all, at, arousal, valence, details.annotations.length > 0)) points.value = { ...all };
}

export function startDetails(): void {
  effect(() => {
    const id = currentId.value;
    current.value = null;
    curve.value = [];
    if (id !== null) void load(id);
  });
  effect(() => {
    if (revision.value > 0) rows.clear();
  });
}

/** Record where a sound belongs, as heard by the annotator of the page. */
export async function annotate(id: number, arousal: number, valence: number): Promise<boolean> {
  try {
    const by = annotator.peek().trim();
    const details = await api.annotate(id, rounded(arousal), rounded(valence), by);
    show(id, details);
    tell(`Placed ${nameOf(details.path)}`, () => void withdraw(id));
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

/** Take back what the annotator of the page said of a sound. */
export async function withdraw(id: number): Promise<boolean> {
  try {
    show(id, await api.withdraw(id, annotator.peek().trim()));
    tell("Undone");
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

function rounded(value: number): number {
  return Math.round(Math.max(-1, Math.min(1, value)) * 1000) / 1000;
}
