/** The frame of the plane: its grid, the numbers, and the names of both axes. */

import { toPlane, toScreen, type Area, type Camera } from "./camera";

const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const FEWEST_PIXELS = 70;
/** What a number takes, with some room around it. */
const [LABEL_WIDTH, LABEL_HEIGHT] = [34, 16];

function ticks(low: number, high: number, pixelsPerUnit: number): number[] {
  const step = STEPS.find((each) => each * pixelsPerUnit >= FEWEST_PIXELS) ?? 1;
  const first = Math.ceil(Math.max(low, -1) / step);
  const last = Math.floor(Math.min(high, 1) / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, at) =>
    Math.round((first + at) * step * 100) / 100);
}

function label(value: number): string {
  return value === 0 ? "0" : `${value < 0 ? "−" : "+"}${Math.abs(value)}`;
}

export function Axes({ camera, area }: { camera: Camera; area: Area }) {
  const [left, top] = toScreen(camera, area, -1, 1);
  const [right, bottom] = toScreen(camera, area, 1, -1);
  const [low, high] = toPlane(camera, area, 0, 0);
  const [far, deep] = toPlane(camera, area, area.width, area.height);
  const unit = (right - left) / 2;
  const baseline = Math.min(bottom, area.height - 24);
  const edge = Math.max(left, LABEL_WIDTH);
  const heights = ticks(deep, high, unit).map((value) => toScreen(camera, area, 0, value)[1]);
  /** Whether a number below the plane would run into the lowest of those beside it. */
  const isInTheWay = (x: number) => x - LABEL_WIDTH / 2 < edge - 6
    && heights.some((y) => baseline + 10 - y < LABEL_HEIGHT);
  return (
    <g class="axes" aria-hidden="true">
      <rect x={left} y={top} width={right - left} height={bottom - top} class="frame" />
      {ticks(low, far, unit).map((value) => {
        const [x] = toScreen(camera, area, value, 0);
        return (
          <g key={`a${value}`}>
            <line x1={x} x2={x} y1={Math.max(top, 0)} y2={Math.min(bottom, area.height)}
              class={value === 0 ? "zero" : "grid"} />
            {!isInTheWay(x) &&
              <text x={x} y={baseline + 14} text-anchor="middle">{label(value)}</text>}
          </g>
        );
      })}
      {ticks(deep, high, unit).map((value) => {
        const [, y] = toScreen(camera, area, 0, value);
        return (
          <g key={`v${value}`}>
            <line x1={Math.max(left, 0)} x2={Math.min(right, area.width)} y1={y} y2={y}
              class={value === 0 ? "zero" : "grid"} />
            <text x={edge - 6} y={y + 4} text-anchor="end">{label(value)}</text>
          </g>
        );
      })}
    </g>
  );
}

/** The names stand still at the edges, wherever the plane is moved to. */
export function AxisNames() {
  return (
    <div class="axis-names" aria-hidden="true">
      <span class="at-top">pleasant</span>
      <span class="at-bottom">unpleasant</span>
      <span class="at-left">calm</span>
      <span class="at-right">energetic</span>
    </div>
  );
}
