/** The frame of the plane: its grid, the numbers, and the names of both axes. */

import { useLayoutEffect, useRef } from "preact/hooks";

import { toPlane, toScreen, type Area, type Camera } from "./camera";
import { isDark } from "./map_state";

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

/** Drawn on a canvas, since a browser takes longer to paint an image of lines anew at each step of a drag. */
export function Axes({ camera, area }: { camera: Camera; area: Area }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scheme = isDark.value;
  useLayoutEffect(() => draw(canvas.current!, camera, area), [camera, area, scheme]);
  return <canvas ref={canvas} class="axes" aria-hidden="true" />;
}

function draw(canvas: HTMLCanvasElement, camera: Camera, area: Area): void {
  const ratio = devicePixelRatio;
  const [width, height] = [area.width, area.height].map((side) => Math.round(side * ratio)) as [number, number];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const style = getComputedStyle(canvas);
  const [line, strong] = ["--line", "--strong-line"].map((name) => style.getPropertyValue(name)) as [string, string];
  const pen = canvas.getContext("2d")!;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, area.width, area.height);
  pen.font = `${style.fontSize} ${style.fontFamily}`;
  pen.fillStyle = style.color;

  const [left, top] = toScreen(camera, area, -1, 1);
  const [right, bottom] = toScreen(camera, area, 1, -1);
  const [low, high] = toPlane(camera, area, 0, 0);
  const [far, deep] = toPlane(camera, area, area.width, area.height);
  const unit = (right - left) / 2;
  const baseline = Math.min(bottom, area.height - 24);
  const edge = Math.max(left, LABEL_WIDTH);
  const heights = ticks(deep, high, unit).map((value) => [value, toScreen(camera, area, 0, value)[1]] as const);
  /** Whether a number below the plane would run into the lowest of those beside it. */
  const isInTheWay = (x: number) => x - LABEL_WIDTH / 2 < edge - 6
    && heights.some(([, y]) => baseline + 10 - y < LABEL_HEIGHT);
  const stroke = (value: number, x1: number, y1: number, x2: number, y2: number) => {
    pen.strokeStyle = value === 0 ? strong : line;
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
  };
  pen.textAlign = "center";
  for (const value of ticks(low, far, unit)) {
    const [x] = toScreen(camera, area, value, 0);
    stroke(value, x, Math.max(top, 0), x, Math.min(bottom, area.height));
    if (!isInTheWay(x)) pen.fillText(label(value), x, baseline + 14);
  }
  pen.textAlign = "right";
  for (const [value, y] of heights) {
    stroke(value, Math.max(left, 0), y, Math.min(right, area.width), y);
    pen.fillText(label(value), edge - 6, y + 4);
  }
  pen.strokeStyle = strong;
  pen.strokeRect(left, top, right - left, bottom - top);
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
