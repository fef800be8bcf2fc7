/** The player at the bottom: the current sound, and its course over time. */

import { curve, current } from "../core/details";
import { clock, nameOf } from "../core/format";
import { duration, isPlaying, queue, seek, step, time, toggle } from "../core/player";
import { currentId, view } from "../core/state";
import type { CurvePoint } from "../core/types";
import { Icon } from "../parts/icons";

export function PlayerBar() {
  if (currentId.value === null) return null;
  const length = duration.value || current.value?.sound?.duration_s || 0;
  const at = queue.value.indexOf(currentId.value);
  // Who is asked for a place is not to see the model's.
  const course = view.value === "review" ? [] : curve.value;
  const name = current.value ? nameOf(current.value.path) : "…";
  return (
    <section class="player" aria-label="Player">
      <div class="transport">
        <button type="button" aria-label="Previous sound" disabled={at < 1} onClick={() => step(-1)}>
          <Icon name="previous" />
        </button>
        <button type="button" class="is-main" aria-label={isPlaying.value ? "Pause" : "Play"} onClick={toggle}>
          <Icon name={isPlaying.value ? "pause" : "play"} />
        </button>
        <button type="button" aria-label="Next sound" disabled={at < 0 || at + 1 >= queue.value.length}
          onClick={() => step(1)}>
          <Icon name="next" />
        </button>
      </div>
      <div class="course">
        <p class="title">
          <span class="name">{name}</span>
          {course.length > 0 && <span class="key is-arousal">arousal</span>}
          {course.length > 0 && <span class="key is-valence">valence</span>}
          <span class="clock">{clock(time.value)} / {clock(length)}</span>
        </p>
        <div class="track">
          <Course points={course} length={length} at={time.value} />
          <input type="range" min="0" max={Math.max(length, 0.1)} step="any" value={time.value}
            aria-label="Position" aria-valuetext={`${clock(time.value)} of ${clock(length)}`}
            onInput={(event) => seek(event.currentTarget.valueAsNumber)} />
        </div>
      </div>
    </section>
  );
}

function Course({ points, length, at }: { points: CurvePoint[]; length: number; at: number }) {
  const line = (key: "arousal" | "valence") => {
    const places = points.map((point) =>
      `${(length ? point.start_s / length : 0) * 100} ${20 - point[key] * 18}`);
    // Each point stands for the window that begins there; the last lasts to the end.
    if (points.length) places.push(`100 ${20 - points.at(-1)![key] * 18}`);
    return places.length ? `M${places.join("L")}` : "";
  };
  const played = length ? Math.min(100, (at / length) * 100) : 0;
  return (
    <svg viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">
      <rect x="0" y="0" width={played} height="40" class="played" />
      <path d="M0 20H100" class="scale" />
      <path d={line("arousal")} class="is-arousal" />
      <path d={line("valence")} class="is-valence" />
      <path d={`M${played} 0V40`} class="playhead" />
    </svg>
  );
}
