/** Rings around the sounds that people have placed, unless there are too many to tell apart. */

import { useMemo } from "preact/hooks";

import { toScreen, type Area, type Camera } from "./camera";
import { camera, dotRadius } from "./map_state";
import { affectOf, ANNOTATED, type Points } from "./points";
import { points } from "../core/state";

const MOST_RINGS = 400;
/** Dots smaller than this are many: among them a ring is a hint, the dots are what the map is about. */
const FEW_RADIUS = 2.5;

export function Rings({ area }: { area: Area }) {
  const [all, from, radius] = [points.value, camera.value, dotRadius.value];
  const annotated = useMemo(() => all && annotatedOf(all), [all]);
  // Made anew at some places only; between them they are moved as one.
  const [arousal, valence] = [stepped(from.arousal, from.half), stepped(from.valence, from.half)];
  const rings = useMemo(
    () => all && annotated && ringsOf(all, annotated, { arousal, valence, half: from.half }, area, radius),
    [all, annotated, arousal, valence, from.half, area, radius]);
  if (!rings) return null;
  const [x, y] = toScreen(from, area, arousal, valence);
  const look = radius < FEW_RADIUS ? { width: 1, opacity: 0.45 } : { width: 1.5, opacity: 1 };
  return (
    <svg class="rings" stroke-width={look.width} stroke-opacity={look.opacity} aria-hidden="true"
      style={{ transform: `translate(${x - area.width / 2}px, ${y - area.height / 2}px)` }}>
      {rings}
    </svg>
  );
}

function stepped(value: number, step: number): number {
  return Math.round(value / step) * step;
}

function annotatedOf(all: Points): number[] {
  const found: number[] = [];
  all.flags.forEach((flags, at) => flags & ANNOTATED && found.push(at));
  return found;
}

/** The rings in sight from places around a camera; null if they are too many. */
function ringsOf(all: Points, annotated: number[], from: Camera, area: Area, radius: number) {
  const places = annotated
    .map((at) => [at, ...toScreen(from, area, ...affectOf(all, at))] as const)
    .filter(([, x, y]) => x > -area.width && y > -area.height && x < 2 * area.width && y < 2 * area.height);
  if (places.length > MOST_RINGS) return null;
  return (
    <g>
      {places.map(([at, x, y]) => <circle key={all.id[at]} cx={x} cy={y} r={radius + 2} />)}
    </g>
  );
}
