/** The sounds whose annotation would teach most, one after the other, by keyboard alone. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { api } from "../core/api";
import { annotate, withdraw } from "../core/details";
import { folderOf, nameOf, signed } from "../core/format";
import { play, toggle } from "../core/player";
import { currentId } from "../core/state";
import type { ReviewSound } from "../core/types";
import { within } from "../map/camera";
import { AffectSlider, Problem } from "../parts/controls";

const seen = signal<ReviewSound[]>([]);
const at = signal(0);
const draft = signal<[number, number]>([0, 0]);
const problem = signal<string | null>(null);
const hasEnded = signal(false);
const placed = signal<number[]>([]);

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};
const STEP = 0.05;
const LONG_STEP = 0.2;

export function Review() {
  const heading = useRef<HTMLDivElement>(null);
  const sound = seen.value[at.value];
  useEffect(() => {
    if (!seen.peek().length) void forward();
  }, []);
  useEffect(() => heading.current?.focus(), [sound?.id]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (pressed(event)) event.preventDefault();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
  if (problem.value) {
    return <main class="review"><h1>Review</h1><Problem text={problem.value} onAgain={() => void forward()} /></main>;
  }
  if (!sound) {
    return (
      <main class="review">
        <h1>Review</h1>
        <p>{hasEnded.value ? "No sound is left to place. New sounds come with the next analysis." : "Choosing a sound …"}</p>
      </main>
    );
  }
  const [arousal, valence] = draft.value;
  return (
    <main class="review">
      <h1>Review</h1>
      <p class="lead">Of these sounds the model would learn most. Listen, place, go on.</p>
      <div ref={heading} tabIndex={-1} class="asked" role="group" aria-label={`Sound ${at.value + 1}: ${nameOf(sound.path)}`}>
        <h2>{nameOf(sound.path)}</h2>
        <p class="folder">{folderOf(sound.path)}</p>
      </div>
      <div class="placing-area">
        <SmallPlane arousal={arousal} valence={valence} />
        <div>
          <AffectSlider name="Arousal" low="calm" high="energetic" value={arousal}
            onInput={(value) => (draft.value = [value, valence])} />
          <AffectSlider name="Valence" low="unpleasant" high="pleasant" value={valence}
            onInput={(value) => (draft.value = [arousal, value])} />
          <div class="buttons">
            <button type="button" onClick={listen}>Play or pause <kbd>Space</kbd></button>
            <button type="button" class="is-main" onClick={() => void save()}>Place, next <kbd>Enter</kbd></button>
            <button type="button" onClick={() => void forward()}>Skip <kbd>S</kbd></button>
            <button type="button" disabled={at.value < 1} onClick={back}>Back <kbd>B</kbd></button>
            <button type="button" disabled={!placed.value.length} onClick={() => void undo()}>Undo <kbd>U</kbd></button>
          </div>
          <p class="hint">Arrow keys place it: left and right between calm and energetic, up and down
            between pleasant and unpleasant; with Shift in long steps.</p>
          <p role="status">{placed.value.length} placed</p>
        </div>
      </div>
    </main>
  );
}

function SmallPlane({ arousal, valence }: { arousal: number; valence: number }) {
  const [x, y] = [100 + arousal * 90, 100 - valence * 90];
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    draft.value = [
      round(within((((event.clientX - box.left) / box.width) * 200 - 100) / 90)),
      round(within((100 - ((event.clientY - box.top) / box.height) * 200) / 90)),
    ];
  };
  return (
    <div class="small-plane">
      <span class="at-top">pleasant</span>
      <svg viewBox="0 0 200 200" role="img" onPointerDown={point}
        onPointerMove={(event) => event.buttons && point(event)}
        aria-label={`arousal ${signed(arousal)}, valence ${signed(valence)}`}>
        <rect x="10" y="10" width="180" height="180" class="frame" />
        <path d="M10 100H190M100 10V190" class="zero" />
        <path d={`M10 ${y}H190M${x} 10V190`} class="guide" />
        <circle cx={x} cy={y} r="7" class="mark" />
      </svg>
      <span class="at-bottom">unpleasant</span>
      <span class="at-left">calm</span>
      <span class="at-right">energetic</span>
    </div>
  );
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Do what a key means; false if it is not for the review. */
function pressed(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return false;
  const target = event.target as HTMLElement;
  const isText = target.matches("input:not([type=range]), textarea, select");
  const isSlider = target.matches("input[type=range]");
  const isButton = target.matches("button, a");
  const arrow = ARROWS[event.key];
  if (isText || !seen.peek().length) return false;
  if (arrow && !isSlider) {
    const step = event.shiftKey ? LONG_STEP : STEP;
    const [arousal, valence] = draft.peek();
    draft.value = [round(within(arousal + arrow[0] * step)), round(within(valence + arrow[1] * step))];
  } else if (event.key === " " && !isButton) listen();
  else if (event.key === "Enter" && !isButton) void save();
  else if (event.key === "s" || event.key === "S") void forward();
  else if (event.key === "b" || event.key === "B") back();
  else if (event.key === "u" || event.key === "U") void undo();
  else return false;
  return true;
}

function listen(): void {
  const sound = seen.peek()[at.peek()];
  if (!sound) return;
  if (currentId.peek() === sound.id) toggle();
  else play(sound.id, [sound.id]);
}

let isBusy = false;

/** Go on to the next sound, which is asked for if none has been seen after this one. */
async function forward(): Promise<void> {
  if (isBusy) return;
  isBusy = true;
  try {
    if (at.peek() + 1 >= seen.peek().length) {
      const next = await api.nextReview(seen.peek().at(-1)?.id ?? null);
      hasEnded.value = next === null;
      if (next) seen.value = [...seen.peek(), next];
    }
    at.value = seen.peek().length === 1 ? 0 : Math.min(at.peek() + 1, seen.peek().length);
    draft.value = [0, 0];
    problem.value = null;
    begin();
  } catch (error) {
    problem.value = (error as Error).message;
  } finally {
    isBusy = false;
  }
}

/** Make the sound the current one, and play it once the person has pressed a key here. */
function begin(): void {
  const sound = seen.peek()[at.peek()];
  if (!sound) return;
  if (navigator.userActivation?.hasBeenActive) play(sound.id, [sound.id]);
  else currentId.value = sound.id;
}

function back(): void {
  if (at.peek() < 1) return;
  at.value -= 1;
  draft.value = [0, 0];
  begin();
}

async function save(): Promise<void> {
  const sound = seen.peek()[at.peek()];
  if (!sound || isBusy) return;
  isBusy = true;
  const isSaved = await annotate(sound.id, ...draft.peek());
  isBusy = false;
  if (!isSaved) return;
  placed.value = [...placed.peek().filter((id) => id !== sound.id), sound.id];
  await forward();
}

async function undo(): Promise<void> {
  const id = placed.peek().at(-1);
  if (id === undefined || !(await withdraw(id))) return;
  placed.value = placed.peek().slice(0, -1);
  at.value = seen.peek().findIndex((each) => each.id === id);
  draft.value = [0, 0];
  begin();
}
