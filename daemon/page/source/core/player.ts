/** One audio element for the whole page, and the sounds that come next. */

import { effect, signal } from "@preact/signals";

import { api } from "./api";
import { complain } from "./messages";
import { currentId } from "./state";

/** What is transcoded into where the browser lacks the format of a file. */
const FALLBACK = "ogg";

export const isPlaying = signal(false);
export const time = signal(0);
export const duration = signal(0);
export const queue = signal<number[]>([]);

const audio = new Audio();
audio.preload = "metadata";
let loadedId: number | null = null;
let isFallback = false;

audio.addEventListener("play", () => (isPlaying.value = true));
audio.addEventListener("pause", () => (isPlaying.value = false));
audio.addEventListener("timeupdate", () => (time.value = audio.currentTime));
audio.addEventListener("durationchange", () => {
  duration.value = Number.isFinite(audio.duration) ? audio.duration : 0;
});
audio.addEventListener("ended", () => step(1));
audio.addEventListener("error", () => {
  if (loadedId === null) return;
  if (isFallback) {
    isPlaying.value = false;
    complain(new Error("This sound cannot be played: the file cannot be read, or is gone."));
    return;
  }
  isFallback = true;
  audio.src = api.audioUrl(loadedId, FALLBACK);
  if (wantsToPlay) start();
});

let wantsToPlay = false;

function start(): void {
  wantsToPlay = true;
  // A refusal is told by the error event, or is a browser that waits for a key or a click.
  audio.play().catch(() => (isPlaying.value = false));
}

function load(id: number | null): void {
  if (id === loadedId) return;
  loadedId = id;
  isFallback = false;
  wantsToPlay = false;
  time.value = 0;
  duration.value = 0;
  if (id === null) {
    audio.removeAttribute("src");
    audio.load();
    isPlaying.value = false;
  } else {
    audio.src = api.audioUrl(id);
  }
}

export function startPlayer(): void {
  effect(() => load(currentId.value));
}

/** Make a sound the current one and play it; `next` are the sounds to go on with. */
export function play(id: number, next?: number[]): void {
  if (next) queue.value = next;
  currentId.value = id;
  start();
}

export function toggle(): void {
  if (loadedId === null) return;
  if (audio.paused) start();
  else {
    wantsToPlay = false;
    audio.pause();
  }
}

export function seek(seconds: number): void {
  if (loadedId === null) return;
  audio.currentTime = Math.max(0, Math.min(seconds, audio.duration || seconds));
  time.value = audio.currentTime;
}

export function step(by: number): void {
  const at = queue.value.indexOf(currentId.value ?? -1);
  const next = at < 0 ? undefined : queue.value[at + by];
  if (next === undefined) isPlaying.value = false;
  else play(next);
}
