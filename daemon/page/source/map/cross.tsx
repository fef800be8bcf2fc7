/** Marks in the plane: a sound with its interval as a cross, and the ring that can be dragged. */

import { toScreen, type Area, type Camera } from "./camera";
import type { Sound } from "../core/types";

interface Place {
  camera: Camera;
  area: Area;
}

export function Cross({ camera, area, sound, kind }: Place & { sound: Sound; kind: string }) {
  const [x, y] = toScreen(camera, area, sound.arousal, sound.valence);
  const [left, low] = toScreen(camera, area, sound.arousal_low, sound.valence_low);
  const [right, high] = toScreen(camera, area, sound.arousal_high, sound.valence_high);
  return (
    <g class={`cross ${kind}`}>
      <path d={`M${left} ${y}H${right}M${left} ${y - 4}v8M${right} ${y - 4}v8`} />
      <path d={`M${x} ${low}V${high}M${x - 4} ${low}h8M${x - 4} ${high}h8`} />
      <circle cx={x} cy={y} r={kind === "is-current" ? 9 : 5} />
    </g>
  );
}

/** Where a sound would be placed: a ring, and a line from where it is now. */
export function Placing({ camera, area, from, to }: Place & {
  from: readonly [number, number]; to: readonly [number, number];
}) {
  const [x1, y1] = toScreen(camera, area, ...from);
  const [x2, y2] = toScreen(camera, area, ...to);
  return (
    <g class="placing">
      <line x1={x1} y1={y1} x2={x2} y2={y2} />
      <circle cx={x2} cy={y2} r={9} />
    </g>
  );
}
